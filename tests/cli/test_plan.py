import json

import pytest
from tests.cli.conftest import NAMES, PLAN

from confide.computation import STARTER, read_plan
from confide.report import to_json, views, views_html

QUOTED = ("bytes_sent_per_party", "bytes_received_per_party", "privacy", "rounds")


@pytest.fixture
def plan():
    return read_plan(PLAN, "plan.toml")[0]


class TestNew:
    def test_writes_the_starter_and_says_what_comes_next(self, confide, folder):
        done = confide("plan", "new", "mine.toml")
        assert (done.code, done.out) == (0, "")
        assert done.err == "wrote mine.toml: edit it, then ask `confide plan views mine.toml`\n"
        assert (folder / "mine.toml").read_text(encoding="utf-8") == STARTER

    def test_writes_a_plan_that_every_other_command_reads(self, confide):
        confide("plan", "new", "mine.toml")
        for command in ("show", "views", "quote", "hash"):
            assert confide("plan", command, "mine.toml").code == 0

    @pytest.mark.parametrize("name", ["a[red]b.toml", r"a\[red]b.toml", "a" * 120 + ".toml"])
    def test_names_the_file_as_it_is(self, confide, name):
        assert confide("plan", "new", name).err.startswith(f"wrote {name}: edit it")

    def test_does_not_overwrite(self, refused):
        assert refused("plan", "new", "plan.toml", code=2).startswith("plan.toml exists; name")

    def test_needs_a_folder(self, refused):
        assert "cannot write nowhere" in refused("plan", "new", "nowhere/plan.toml", code=2)


class TestShow:
    def test_is_json_of_the_plan_and_of_what_follows_from_it(self, confide, plan):
        done = confide("plan", "show", "plan.toml")
        shown = json.loads(done.out)
        assert (done.code, done.err) == (0, "")
        assert [p["name"] for p in shown["plan"]["parties"]] == list(NAMES)
        assert (shown["plan"]["rounds"], shown["plan"]["dropouts"]) == (2, 1)
        assert shown["plan"]["parties"][0]["key"] == plan.parties[0].key.hex()
        assert shown["derived"]["hash"] == plan.hash.hex()
        assert shown["derived"]["min_survivors"] == 4
        assert shown["derived"]["colluding"] == 1
        assert shown["derived"]["sum_bits"].keys() == {"update", "weight"}


class TestViews:
    def test_is_the_report(self, confide, plan):
        done = confide("plan", "views", "plan.toml")
        assert (done.code, done.out, done.err) == (0, f"{views(plan)}\n", "")

    def test_is_json(self, confide, plan):
        done = confide("plan", "views", "plan.toml", "--format", "json")
        assert json.loads(done.out) == json.loads(json.dumps(to_json(views(plan))))

    def test_is_a_page(self, confide, plan):
        done = confide("plan", "views", "plan.toml", "--format", "html")
        assert done.out == views_html(views(plan)) + "\n"

    def test_has_no_other_format(self, confide):
        done = confide("plan", "views", "plan.toml", "--format", "pdf")
        assert (done.code, done.out) == (2, "")
        assert "Invalid value for '--format'" in done.err


class TestQuote:
    def test_says_what_the_plan_costs(self, confide):
        done = confide("plan", "quote", "plan.toml")
        assert (done.code, done.err) == (0, "")
        assert "a party sends" in done.out
        assert "ε = ∞" in done.out

    def test_is_json(self, confide):
        made = json.loads(confide("plan", "quote", "plan.toml", "--json").out)
        assert made["rounds"] == 2
        assert set(QUOTED) <= made.keys()

    def test_is_for_so_many_rows(self, confide, folder):
        sgd = PLAN.replace("fed-avg", "fed-sgd").replace("weight_cap", "capacity")
        (folder / "sgd.toml").write_text(sgd.replace("local_steps = 2\n", ""))
        fits, more = (confide("plan", "quote", "sgd.toml", "--rows", rows).out for rows in (50, 51))
        assert "only the first 50 are counted" not in fits
        assert "elm may have 51 rows; only the first 50 are counted" in more

    def test_keeps_within_a_budget_that_is_enough(self, confide):
        done = confide("plan", "quote", "plan.toml", "--max-bytes", "1e9", "--max-seconds", "1e9")
        assert done.code == 0

    @pytest.mark.parametrize(
        ("option", "message"),
        [("--max-bytes", "bytes per party, the budget is 10"), ("--max-seconds", "the budget is")],
    )
    def test_refuses_what_exceeds_the_budget(self, refused, option, message):
        limit = "10" if option == "--max-bytes" else "1e-9"
        assert message in refused("plan", "quote", "plan.toml", option, limit, code=4)

    @pytest.mark.parametrize("rows", [0, -3])
    def test_needs_rows(self, refused, rows):
        said = refused("plan", "quote", "plan.toml", f"--rows={rows}", code=2)
        assert said == f"size {rows} of party 'alder'; a party has at least 1 row"


class TestHash:
    def test_is_what_every_party_signs(self, confide, plan):
        done = confide("plan", "hash", "plan.toml")
        assert (done.code, done.out, done.err) == (0, plan.hash.hex() + "\n", "")


BAD_PLANS = {
    "no TOML": ("name = ", "is no TOML"),
    "a number too long": ("rounds = " + "9" * 5000, "is no TOML"),
    "nested without end": ("a = " + "[" * 5000, "is no TOML"),
    "an unknown key": ("round = 3\n" + PLAN, "unknown key 'round', did you mean 'rounds'?"),
    "a wrong value": (PLAN.replace("rounds = 2", "rounds = 0"), "rounds is 0; it is at least 1"),
    "an impossible plan": (PLAN.replace("dropouts = 1", "dropouts = 3"), "insider subtraction"),
    "an unknown task": (PLAN.replace("fed-avg", "fed-agv"), "did you mean 'fed-avg'"),
    "markup": (PLAN.replace('"alder"', '"[red]alder[/red]"'), "named '[red]alder[/red]'"),
    "control characters": (
        'aggregation = "\\u001b[31mred\\r\\nerror: nothing"\n' + PLAN,
        "aggregation '\\x1b[31mred\\r\\nerror: nothing'",
    ),
    "control characters in a key": ('"\\u001b[31m" = 1\n' + PLAN, r"unknown key '\x1b[31m'"),
}


@pytest.mark.parametrize("command", ["show", "views", "quote", "hash"])
class TestBadFiles:
    @pytest.mark.parametrize("case", BAD_PLANS)
    def test_give_one_line(self, refused, folder, command, case):
        text, message = BAD_PLANS[case]
        (folder / "bad.toml").write_text(text)
        said = refused("plan", command, "bad.toml", code=2)
        assert message in said
        assert said.isprintable()

    @pytest.mark.parametrize("name", ["none.toml", ".", r"a\[b]c[red].toml"])
    def test_that_are_not_there_are_named(self, refused, command, name):
        said = refused("plan", command, name, code=2)
        assert said.startswith(f"cannot read the plan file {name}: ")

    def test_with_names_that_forge_lines_and_colours_are_shown_as_they_are(self, refused, command):
        said = refused("plan", command, "a\x1b[31m\nb.toml", code=2)
        assert said.startswith(r"cannot read the plan file a\x1b[31m b.toml: ")
        assert said.isprintable()

    def test_that_are_no_text_are_refused(self, refused, folder, command):
        (folder / "bad.toml").write_bytes(b"name = '\xff'")
        said = refused("plan", command, "bad.toml", code=2)
        assert said.startswith("cannot read the plan file bad.toml: ")

    def test_that_are_huge_are_not_read(self, refused, folder, command):
        with (folder / "bad.toml").open("wb") as file:
            file.truncate((16 << 20) + 1)
        said = refused("plan", command, "bad.toml", code=2)
        assert said == "bad.toml has 16,777,217 bytes; at most 16,777,216"
        (folder / "bad.toml").unlink()
