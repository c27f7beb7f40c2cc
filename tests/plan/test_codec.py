import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plan.examples import make_plan, make_sum

from confide import canonical
from confide.errors import ConfideError, PlanError
from confide.plan import (
    CentralNoise,
    Clear,
    Masked,
    Neighbours,
    NoNoise,
    Party,
    Plan,
    Relation,
    Release,
    Sum,
    Unit,
)
from confide.plan.codec import from_plain, nearest, to_plain


def read_with(change):
    """Reads the bytes of the example plan after a change of its maps and lists."""
    plain = cbor2.loads(make_plan(noise=CentralNoise(1.5)).canonical())
    change(plain)
    return Plan.from_canonical(cbor2.dumps(plain, canonical=True))


def putting(*path, value):
    *way, last = path

    def change(plain):
        for step in way:
            plain = plain[step]
        plain[last] = value

    return change


class TestToPlain:
    def test_says_the_type_of_each_value(self):
        assert to_plain(Clear()) == {"type": "Clear"}
        assert to_plain(Party("a", bytes(32))) == {
            "type": "Party",
            "name": "a",
            "key": bytes(32),
            "simulated": False,
        }

    def test_says_enumerations_reals_and_tuples_plainly(self):
        plain = to_plain(make_sum(shape=(2, 3), unit_bound=1e-7, unit=Unit.PERSON))
        assert (plain["shape"], plain["unit_bound"], plain["unit"]) == ([2, 3], "1e-07", "person")


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                putting("stages", 0, "round", value=1),
                "plan.stages[0] has an unknown key 'round'; did you mean 'rounds'?",
            ),
            (
                putting("zzz", value=1),
                "plan has an unknown key 'zzz'; known here: aggregation, chu",
            ),
            (
                putting("stages", 0, "release", "too", value=1),
                "plan.stages[0].release has an unknown key 'too'; did you",
            ),
            (lambda plain: plain.pop("seed"), "plan lacks seed"),
            (lambda plain: plain["parties"][2].pop("key"), "plan.parties[2] lacks key"),
            (lambda plain: plain["noise"].clear(), "plan.noise is of type None"),
            (putting("type", value="Plans"), "plan is not a Plan"),
            (
                putting("stages", 0, "sums", "sums", 0, "type", value="SumGroup"),
                "plan.stages[0].sums.sums[0] is not a Sum",
            ),
            (
                putting("aggregation", "type", value="Maskd"),
                "plan.aggregation is of type 'Maskd'; did you mean 'Masked'? known here: Clear, En",
            ),
            (
                putting("aggregation", value="Masked"),
                "plan.aggregation is of type str; it takes dict",
            ),
            (putting("name", value=b"a"), "plan.name is of type bytes; it takes str"),
            (putting("name", value=None), "plan.name is of type NoneType; it takes str"),
            (
                putting("stages", 0, "rounds", value="1"),
                "plan.stages[0].rounds is of type str; it takes int",
            ),
            (
                putting("stages", 0, "rounds", value=True),
                "plan.stages[0].rounds is of type bool; it takes int",
            ),
            (putting("parties", value={}), "plan.parties is of type dict; it takes list"),
            (putting("parties", 0, value="a"), "plan.parties[0] is of type str; it takes dict"),
            (
                putting("parties", 0, "key", value="a"),
                "plan.parties[0].key is of type str; it takes",
            ),
            (
                putting("parties", 0, "simulated", value=0),
                "plan.parties[0].simulated is of type int",
            ),
            (
                putting("threat", "hardware", value="untrustd"),
                "plan.threat.hardware is 'untrustd'; did you mean 'untrusted'? known here: assumed",
            ),
            (
                putting("stages", 0, "release", "to", value=1),
                "plan.stages[0].release.to is 1; known here: coordinator, eve",
            ),
            (
                putting("noise", "noise_multiplier", value=2),
                "plan.noise.noise_multiplier is of type int; it takes str",
            ),
            (
                putting("noise", "noise_multiplier", value="nan"),
                "noise_multiplier is nan; it is a pos",
            ),
            (
                putting("noise", "noise_multiplier", value="inf"),
                "noise_multiplier is inf; it is a pos",
            ),
            (
                putting("stages", 0, "sums", "sums", 0, "unit_bound", value="inf"),
                "has unit_bound inf; it must be",
            ),
            (
                putting("neighbours", "unit", value="party"),
                "protects a party: declare the sums per",
            ),
        ],
    )
    def test_name_the_place_and_the_fix(self, change, message):
        with pytest.raises(PlanError) as refused:
            read_with(change)
        assert message in str(refused.value)

    @pytest.mark.parametrize(
        "text",
        [
            *("1.50", "1.5e0", "+1.5", " 1.5", "1.5 ", "01.5", "1,5", "1", "1.", "1_0.5", "", "a"),
            *("0x1p0", "1.5000000000000001", "NaN", "Infinity", "\u0661.\u0665"),
        ],
    )
    def test_reals_in_another_form_than_the_shortest(self, text):
        with pytest.raises(PlanError, match="which is not the shortest text of a real number"):
            read_with(putting("noise", "noise_multiplier", value=text))

    @given(value=st.floats(1, 1e9))
    def test_take_every_positive_real_in_its_shortest_form(self, value):
        plan = read_with(putting("noise", "noise_multiplier", value=repr(value)))
        assert plan.noise == CentralNoise(value)

    @given(value=st.floats())
    def test_floats_of_the_wire(self, value):
        plain = cbor2.loads(make_plan(noise=CentralNoise(1.5)).canonical())
        plain["noise"]["noise_multiplier"] = value
        with pytest.raises(ConfideError):
            Plan.from_canonical(cbor2.dumps(plain))

    def test_of_a_type_that_is_no_text(self):
        with pytest.raises(PlanError, match=r"plan\.aggregation is of type"):
            read_with(putting("aggregation", "type", value=[]))


class TestHostileBytes:
    """Whatever stands in whatever place: an error of ours, or a plan that says the same."""

    plain_values = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**64), 2**64 - 1)
        | st.text(max_size=5)
        | st.binary(max_size=5)
        | st.sampled_from(["Masked", "Clear", "Encrypted", "Sum", "1.0", "nan", "record"]),
        lambda inner: st.one_of(
            st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=5), inner, max_size=2)
        ),
        max_leaves=4,
    )

    @given(data=st.data(), value=plain_values)
    def test_in_place_of_any_value(self, data, value):
        plain = cbor2.loads(make_plan(noise=CentralNoise(1.5)).canonical())
        places = [
            (holder, key) for holder, key in _places(plain) if not _names_a_union(holder, key)
        ]
        holder, key = data.draw(st.sampled_from(places))
        holder[key] = value
        altered = cbor2.dumps(plain, canonical=True)
        try:
            plan = Plan.from_canonical(altered)
        except ConfideError:
            return
        assert plan.canonical() == altered

    @pytest.mark.parametrize(
        "data",
        [
            "",
            "ff",
            "9fff",  # indefinite length
            "1817",  # 23 in two bytes
            "a2616201616100",  # keys out of order
            "a2616100616100",  # a key twice
            "a10000",  # a key that is no text
            "f93e00",  # a float
            "f7",  # undefined
            "c074323032302d30312d30315430303a30303a30305a",  # a date
            "c249010000000000000000",  # a big number
            "c482211a7fffffff",  # a decimal fraction
            "d81e820100",  # 1/0
            "d81c81d81d00",  # a list that holds itself
            "d9d9f700",  # self-described
            "61ff",  # no UTF-8
            "9b7fffffffffffffff",  # a list longer than memory
            "5b7fffffffffffffff",
            "81" * 1000 + "00",  # deep
        ],
    )
    def test_of_other_cbor(self, data):
        with pytest.raises(ConfideError):
            Plan.from_canonical(bytes.fromhex(data))

    def test_larger_than_any_plan_are_not_read(self, monkeypatch):
        monkeypatch.setattr("confide.plan.plan.MAX_PLAN_BYTES", 100)
        with pytest.raises(ConfideError, match="bytes; at most 100 fit"):
            Plan.from_canonical(make_plan().canonical())


class TestFromPlain:
    @pytest.mark.parametrize(
        "value",
        [
            Neighbours(unit=Unit.PERSON, relation=Relation.REPLACE_ONE),
            Release(),
            make_sum(shape=(1, 2)),
            Party.simulation("a"),
        ],
    )
    def test_reads_parts_of_plans(self, value):
        assert from_plain(type(value), to_plain(value), "here") == value

    def test_reads_each_member_of_a_union(self):
        for value in Clear(), Masked():
            assert from_plain(Clear | Masked, to_plain(value), "here") == value
        with pytest.raises(PlanError, match="here is of type 'NoNoise'"):
            from_plain(Clear | Masked, to_plain(NoNoise()), "here")

    def test_checks_what_it_makes(self):
        plain = to_plain(make_sum()) | {"capacity": 0}
        with pytest.raises(PlanError, match="capacity 0; count at least 1"):
            from_plain(Sum, plain, "here")


class TestNearest:
    def test_names_one_that_is_near_and_all(self):
        assert nearest("gradiant", ["gradient", "count"]) == (
            "did you mean 'gradient'? known here: count, gradient"
        )

    def test_names_all_if_none_is_near(self):
        assert nearest("x", ["gradient", "count"]) == "known here: count, gradient"


def test_canonical_is_shortest_first_then_bytewise():
    """RFC 8949, §4.2.1, of text keys."""
    assert canonical.encode({"aa": 0, "b": 0, "a": 0, "": 0}).hex() == "a4600061610061620062616100"


def _places(value):
    """Every (map or list, key) in a decoded plan."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _names_a_union(holder, key):
    """Left out, until lists are refused there: see `test_of_a_type_that_is_no_text`."""
    return key == "type" and holder["type"] in {"Masked", "Encrypted", "CentralNoise"}
