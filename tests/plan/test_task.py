import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plan.examples import settings_values, texts

from confide.errors import PlanError
from confide.plan import Code, PublicValue, Task


class TestTask:
    @given(settings=st.dictionaries(texts, settings_values, max_size=4))
    def test_reads_what_it_was_made_of(self, settings):
        task = Task.of("task", **settings)
        assert task.read() == settings
        assert Task("task", task.settings) == task

    @given(settings=st.dictionaries(texts, settings_values, max_size=4), data=st.data())
    def test_does_not_depend_on_the_order_of_settings(self, settings, data):
        shuffled = dict(data.draw(st.permutations(list(settings.items()))))
        assert Task.of("task", **shuffled) == Task.of("task", **settings)

    def test_hands_out_a_new_map_each_time(self):
        task = Task.of("task", edges=[1])
        task.read()["edges"].append(2)
        assert task.read() == {"edges": [1]}

    def test_has_a_name(self):
        with pytest.raises(PlanError, match="name the computation"):
            Task("")

    @pytest.mark.parametrize(
        "settings",
        [
            '{"b":1,"a":2}',
            '{"a": 1}',
            '{"a":1,"a":2}',
            '{"a":1.50}',
            '{"a":1E3}',
            '{"ä":1}',
            " {}",
        ],
    )
    def test_has_settings_in_one_form_only(self, settings):
        with pytest.raises(PlanError, match=r"not in their deterministic form; use Task\.of"):
            Task("task", settings)

    @pytest.mark.parametrize("settings", ["", "{", "{}{}", "{'a':1}", '{"a":' + "1" * 5000 + "}"])
    def test_has_settings_that_are_json(self, settings):
        with pytest.raises(PlanError, match="settings of task 'task' are not JSON"):
            Task("task", settings)

    @pytest.mark.parametrize("settings", ["[]", "1", "null", '"a"'])
    def test_has_settings_that_are_a_map(self, settings):
        with pytest.raises(PlanError, match="settings of task 'task' are not a map"):
            Task("task", settings)

    @pytest.mark.parametrize("settings", ['{"a":NaN}', '{"a":Infinity}', '{"a":1e999}'])
    def test_has_settings_without_what_json_lacks(self, settings):
        with pytest.raises(PlanError, match="settings that JSON cannot hold"):
            Task("task", settings)

    @pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"a", object(), {1: 2, "a": 3}])
    def test_is_made_of_what_json_holds(self, value):
        with pytest.raises(PlanError, match="settings that JSON cannot hold"):
            Task.of("task", value=value)

    def test_has_settings_of_a_largest_size(self):
        with pytest.raises(PlanError, match="1,048,577 characters; at most 1,048,576"):
            Task("task", '{"a":"' + "x" * (2**20 - 7) + '"}')
        assert len(Task("task", '{"a":"' + "x" * (2**20 - 8) + '"}').settings) == 2**20

    def test_has_settings_that_do_not_nest_without_end(self):
        with pytest.raises(PlanError):
            Task("task", '{"a":' + "[" * 100_000 + "]" * 100_000 + "}")


class TestCode:
    @pytest.mark.parametrize("length", [0, 20, 31, 33, 64])
    def test_has_a_digest_of_32_bytes(self, length):
        with pytest.raises(PlanError, match=f"a code digest of {length} bytes; SHA-256 has 32"):
            Code(package="package", version="1.0", digest=bytes(length))


class TestPublicValue:
    @pytest.mark.parametrize("length", [0, 31, 33])
    def test_has_a_digest_of_32_bytes(self, length):
        with pytest.raises(PlanError, match=f"'means' has a digest of {length} bytes; .* has 32"):
            PublicValue(name="means", digest=bytes(length), meaning="a census")

    def test_has_no_fewer_rows_than_none(self):
        with pytest.raises(PlanError, match="public value 'holdout' has -1 rows; at least 0"):
            PublicValue(name="holdout", digest=bytes(32), meaning="published", rows=-1)
