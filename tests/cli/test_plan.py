import json
from pathlib import Path

import pytest
from tests.cli.conftest import NAMES, PLAN

from confide import canonical
from confide.computation import STARTER, keys_in_markdown, make_computation, read_plan
from confide.plan import Condition, Coordinator, FixedCrowd, Form, Plan, Standing
from confide.plan.migration import migrate
from confide.report import to_json, views, views_html
from confide.report.text import exposures_text

QUOTED = ("bytes_sent_per_party", "bytes_received_per_party", "privacy", "rounds")


@pytest.fixture
def plan():
    return read_plan(PLAN, "plan.toml")[0]


class TestNew:
    def test_writes_the_starter_and_says_what_comes_next(self, confide, folder):
        done = confide("plan", "new", "mine.toml")
        assert (done.code, done.out) == (0, "")
        assert done.err == "wrote mine.toml: edit it, then run `confide plan views mine.toml`\n"
        assert (folder / "mine.toml").read_text(encoding="utf-8") == STARTER

    def test_writes_a_plan_that_every_other_command_reads(self, confide):
        confide("plan", "new", "mine.toml")
        for command in ("show", "views", "estimate", "hash"):
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
        (stage,) = shown["plan"]["stages"]
        assert (stage["rounds"], shown["plan"]["dropouts"]) == (2, 1)
        assert shown["plan"]["parties"][0]["key"] == plan.parties[0].key.hex()
        assert shown["derived"]["hash"] == plan.hash.hex()
        assert shown["derived"]["min_survivors"] == 4
        assert shown["derived"]["colluding"] == 1
        assert shown["derived"]["sum_bits"]["sums"].keys() == {"update", "weight"}

    def test_is_of_each_stage_of_several(self, confide, folder):
        head, task = PLAN.replace("rounds = 2\n", "").split("[task]")
        stage = f"[stage.task]{task}".replace("[task.", "[stage.task.")
        first = f'[[stage]]\nname = "first"\nbudget = 0.5\n{stage}'
        (folder / "stages.toml").write_text(head + first + first.replace('"first"', '"second"'))
        shown = json.loads(confide("plan", "show", "stages.toml").out)
        assert [stage["name"] for stage in shown["plan"]["stages"]] == ["first", "second"]
        assert shown["derived"]["sum_bits"].keys() == {"first", "second"}


class TestKeys:
    def test_are_listed(self, confide):
        done = confide("plan", "keys")
        assert (done.code, done.out, done.err) == (0, keys_in_markdown(), "")


OLD = Path(__file__).parents[1] / "plan" / "golden" / "schema_2"
KEY = "c0" * 32


@pytest.fixture
def old(folder):
    """Plans of schema 2 in files: five lenders with keys, and three simulated parties."""
    for name in ("lenders", "clear"):
        data = bytes.fromhex((OLD / f"{name}.cbor.hex").read_text("ascii"))
        (folder / name).write_bytes(data)
    return folder


class TestMigrate:
    def test_writes_the_plan_and_says_what_is_signed(self, confide, old):
        done = confide("plan", "migrate", "lenders", "new", "--coordinator-key", KEY, "--crowd",
                       "fixed")  # fmt: skip
        assert (done.code, done.out) == (0, "")
        plan = Plan.from_canonical((old / "new").read_bytes())
        assert (plan.crowd, plan.coordinator) == (FixedCrowd(), Coordinator(b"\xc0" * 32))
        before = (OLD / "lenders.sha256").read_text("ascii").strip()
        assert f"wrote new: plan {plan.hash.hex()} replaces {before}. " in done.err
        assert done.err.endswith("Each party reviews the new plan and signs its hash\n")

    def test_keeps_code_that_is_not_installed_and_says_so(self, confide, old):
        done = confide("plan", "migrate", "clear", "new")
        assert done.code == 0
        assert "Its code is still counting 1.0.0 (no installed package computes" in done.err

    def test_takes_the_code_that_is_installed(self, confide, old, plan):
        """An old plan names the code of the release it was made with."""
        was = canonical.decode((old / "clear").read_bytes(), 1 << 20)
        stage = canonical.decode(plan.canonical(), 1 << 20)["stages"][0]
        moved = {key: stage[key] for key in ("task", "sums")}
        (old / "own").write_bytes(canonical.encode(was | moved))
        done = confide("plan", "migrate", "own", "new")
        made = Plan.from_canonical((old / "new").read_bytes())
        assert made.code == plan.code
        assert "Its code is now confide" in done.err
        make_computation(plan.task.name, plan.task.read()).check_plan(made)

    def test_does_not_overwrite(self, refused, old):
        assert refused("plan", "migrate", "clear", "lenders", code=2).startswith("lenders exists")

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["lenders", "new"], "--coordinator-key HEX"),
            (["lenders", "new", "--coordinator-key", KEY], "--crowd fixed"),
            (["lenders", "new", "--coordinator-key", "zz"], "write 64 hexadecimal digits"),
            (["lenders", "new", "--coordinator-key", "c0"], "write 64 hexadecimal digits"),
            (["plan.toml", "new"], "A plan file in TOML needs no migration"),
            (["none", "new"], "cannot read none"),
            ([".", "new"], "cannot read ."),
            (["clear", "nowhere/new"], "cannot write nowhere/new"),
        ],
    )
    def test_refuses_in_one_line(self, refused, old, arguments, told):
        assert told in refused("plan", "migrate", *arguments, code=2)

    def test_does_not_migrate_what_is_new(self, refused, old, folder):
        (folder / "new").write_bytes(migrate((old / "clear").read_bytes()).canonical())
        said = refused("plan", "migrate", "new", "newer", code=2)
        assert said == "this plan is of schema_version 3: it needs no migration"

    def test_is_shown_to_who_shall_sign_it(self, confide, old, folder):
        (folder / "new").write_bytes(migrate((old / "clear").read_bytes()).canonical())
        plan = Plan.from_canonical((folder / "new").read_bytes())
        assert confide("plan", "hash", "new").out == f"{plan.hash.hex()}\n"
        assert confide("plan", "views", "new").out == f"{views(plan)}\n"

    @pytest.mark.parametrize("change", [{"schema_version": 4}, {"schema_version": "3"}, {"x": 1}])
    def test_of_another_schema_is_named(self, refused, old, folder, change):
        plain = canonical.decode(migrate((old / "clear").read_bytes()).canonical(), 1 << 20)
        (folder / "new").write_bytes(canonical.encode(plain | change))
        said = refused("plan", "views", "new", code=2)
        assert said.startswith("new: ")
        assert next(iter(change)) in said

    def test_that_is_cut_is_refused(self, refused, old, folder):
        (folder / "new").write_bytes(migrate((old / "clear").read_bytes()).canonical()[:-9])
        said = refused("plan", "views", "new", code=2)
        assert said.startswith("new does not hold the canonical bytes of a plan: ")


class TestViews:
    def test_is_the_report(self, confide, plan):
        done = confide("plan", "views", "plan.toml")
        assert (done.code, done.out) == (0, f"{views(plan)}\n")
        assert done.err == "\nmore: confide plan views plan.toml --full\n"

    def test_in_full_has_everything_behind_the_first_page(self, confide, plan):
        done = confide("plan", "views", "plan.toml", "--full")
        assert (done.code, done.out, done.err) == (0, f"{views(plan).full}\n", "")

    @pytest.mark.parametrize("format_", ["text", "json"])
    def test_answers_who_sees_what(self, confide, plan, format_):
        asked = ("--who", "party=alder,form=masked", "--who", "standing=in the stated threat")
        done = confide("plan", "views", "plan.toml", *asked, "--format", format_)
        found = views(plan).who_sees(party="alder", form="masked", standing=Standing.ADVERSARY)
        assert {e.observer.name for e in found} >= {"coordinator", "network"}
        told = to_json(found) if format_ == "json" else exposures_text(found)
        assert (json.loads(done.out) if format_ == "json" else done.out.rstrip("\n")) == told

    @pytest.mark.parametrize(
        ("asked", "meant"),
        [
            ({"form": "NOISY_SUM"}, {"form": Form.NOISY_SUM}),
            ({"form": "Plain"}, {"form": Form.PLAINTEXT}),
            ({"condition": "cheating"}, {"condition": Condition.BY_CHEATING}),
            ({"standing": "trusted"}, {"standing": Standing.TRUSTED}),
        ],
    )
    def test_takes_words_in_any_case_and_parts_that_name_one(self, plan, asked, meant):
        report = views(plan)
        assert report.who_sees(**asked) == report.who_sees(**meant)

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            ("party", "write it like --who party=north,form=plaintext"),
            ("prty=alder", "did you mean 'party'?"),
            ("party=alde", "did you mean 'alder'?"),
            ("form=plaintxt", "did you mean 'plaintext'?"),
            ("form=sum of", "form 'sum of' is unknown"),
            ("standing=stated threat", "standing 'stated threat' is unknown"),
            ("party=coordinator", "ask what it sees, by observer=coordinator"),
            ("observer=nobody", "no observer 'nobody' in this report"),
            ("party=alder,party=birch", "asks for 'party' twice"),
        ],
    )
    def test_refuses_questions_that_it_does_not_understand(self, refused, asked, told):
        assert told in refused("plan", "views", "plan.toml", "--who", asked, code=2)

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
        done = confide("plan", "estimate", "plan.toml")
        assert (done.code, done.err) == (0, "")
        assert "a party sends" in done.out
        assert "ε = ∞" in done.out

    def test_is_json(self, confide):
        made = json.loads(confide("plan", "estimate", "plan.toml", "--json").out)
        assert made["rounds"] == 2
        assert set(QUOTED) <= made.keys()

    def test_is_for_so_many_rows(self, confide, folder):
        sgd = PLAN.replace("fed-avg", "fed-sgd").replace("weight_cap", "capacity")
        (folder / "sgd.toml").write_text(sgd.replace("local_steps = 2\n", ""))
        fits, more = (
            confide("plan", "estimate", "sgd.toml", "--rows", rows).out for rows in (50, 51)
        )
        assert "only the first 50 are counted" not in fits
        assert "elm may have 51 rows; only the first 50 are counted" in more

    def test_keeps_within_a_budget_that_is_enough(self, confide):
        done = confide(
            "plan", "estimate", "plan.toml", "--max-bytes", "1e9", "--max-seconds", "1e9"
        )
        assert done.code == 0

    @pytest.mark.parametrize(
        ("option", "message"),
        [("--max-bytes", "and the limit is 10"), ("--max-seconds", "and the limit is")],
    )
    def test_refuses_what_exceeds_the_budget(self, refused, option, message):
        limit = "10" if option == "--max-bytes" else "1e-9"
        assert message in refused("plan", "estimate", "plan.toml", option, limit, code=4)

    @pytest.mark.parametrize("rows", [0, -3])
    def test_needs_rows(self, refused, rows):
        said = refused("plan", "estimate", "plan.toml", f"--rows={rows}", code=2)
        assert said == f"size {rows} of party 'alder'; a party has at least 1 row"


class TestHash:
    def test_is_what_every_party_signs(self, confide, plan):
        done = confide("plan", "hash", "plan.toml")
        assert (done.code, done.out, done.err) == (0, plan.hash.hex() + "\n", "")


BAD_PLANS = {
    "no TOML": ("name = ", "is not TOML"),
    "a number too long": ("rounds = " + "9" * 5000, "is not TOML"),
    "nested without end": ("a = " + "[" * 5000, "is not TOML"),
    "an unknown key": ("round = 3\n" + PLAN, "unknown key 'round', did you mean 'rounds'?"),
    "a wrong value": (PLAN.replace("rounds = 2", "rounds = 0"), "rounds is 0; it is at least 1"),
    "an impossible plan": (PLAN.replace("dropouts = 1", "dropouts = 3"), "insider subtraction"),
    "an unknown task": (PLAN.replace("fed-avg", "fed-agv"), "did you mean 'fed-avg'"),
    "markup": (PLAN.replace('"alder"', '"[red]alder[/red]"'), "named '[red]alder[/red]'"),
    "control characters": (
        'aggregation = "\\u001b[31mred\\r\\nerror: nothing"\n' + PLAN,
        "'aggregation' is '\\x1b[31mred\\r\\nerror: nothing'",
    ),
    "control characters in a key": ('"\\u001b[31m" = 1\n' + PLAN, r"unknown key '\x1b[31m'"),
}


@pytest.mark.parametrize("command", ["show", "views", "estimate", "hash"])
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
