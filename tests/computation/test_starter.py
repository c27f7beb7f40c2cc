"""The plan file to begin with, and the list of all keys: both follow from the declared fields."""

import dataclasses
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from confide.computation import STARTER, keys_in_markdown, read_plan
from confide.computation.planfile import stage_keys, top_keys
from confide.exchange.planfile import read_plan as read_exchanges
from confide.plan import Adversary, Cohorts, Coordinator, Corruption, FixedCrowd, Masked, Plan, Sums
from confide.plan.fields import keys_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "plan-files.md"
KEY = "5a" * 32


def uncommented(text):
    """The starter with each default that is commented out switched on; parties keep no key."""
    return re.sub(r"^# (?=\[\w|[a-z_0-9]+ = (?!\"64))", "", text, flags=re.MULTILINE)


def switched_on(text, first):
    """The starter with the example that begins with a line switched on, up to where it ends."""
    before, line, after = text.partition(f"#     {first}")
    example, end, rest = after.partition("\n\n")
    return before + re.sub(r"^#    ? ?", "", line + example, flags=re.MULTILINE) + end + rest


NOISE = """[neighbours]
unit = "party"
[noise]
placement = "shares"
epsilon = 10.0
[[party]]"""


class TestStarter:
    def test_can_be_read_as_it_is(self):
        made, (computation,) = read_plan(STARTER, "plan.toml")
        assert [p.name for p in made.parties] == ["alder", "birch", "cedar", "dogwood", "elm"]
        assert (made.rounds, made.dropouts, made.aggregation) == (20, 1, Masked())
        assert computation.columns == ("income", "debt", "late_payments", "approved")

    def test_is_a_plan_that_a_reviewer_would_accept(self):
        """Over a fixed crowd, against a coordinator that may lie and a party that reads."""
        made, _ = read_plan(STARTER, "plan.toml")
        assert made.crowd == FixedCrowd()
        assert made.threat.confidentiality == Adversary(parties=Corruption.CURIOUS)
        found = {f.attack: f.reason for f in made.findings}
        assert "a later loss ends the run" in found["differences across rounds"]

    def test_shows_the_default_where_a_line_is_commented_out(self):
        switched = uncommented(STARTER)
        for line in ("seed = 0", "[neighbours]", "[threat.integrity]", 'network = "malicious"'):
            assert f"\n# {line}" in STARTER
            assert f"\n{line}" in switched
        assert read_plan(switched, "plan.toml")[0].hash == read_plan(STARTER, "plan.toml")[0].hash

    def test_shows_cohorts_that_can_be_switched_on(self):
        text = STARTER.replace('crowd = "fixed"', 'crowd = "cohorts"')
        text = text.replace("dropouts = 1", "dropouts = 0").replace("[[party]]", NOISE, 1)
        made, _ = read_plan(switched_on(text, "[[cohorts.cohort]]"), "plan.toml")
        assert isinstance(made.crowd, Cohorts)
        assert [c.name for c in made.crowd.cohorts] == ["a", "b"]

    def test_shows_an_exchange_that_can_be_switched_on(self):
        example = switched_on(STARTER, "[[role]]").partition("[[role]]")
        parties = '[[party]]\nname = "alder"\n[[party]]\nname = "birch"\n'
        made, _ = read_exchanges(f'name = "scores"\n{parties}' + "".join(example[1:]), "plan.toml")
        (stage,) = made.exchanges
        assert stage.task.name == "encrypted-score"

    def test_has_lines_that_fit_a_terminal(self):
        assert max(len(line) for line in STARTER.splitlines()) <= 100

    def test_explains_every_key_that_has_a_default(self):
        for key in (*top_keys(), *stage_keys(alone=True)):
            assert f"{key.name}" in STARTER
            if not dataclasses.is_dataclass(key.declared) and key.item is None:
                assert key.meaning.split()[0] in STARTER

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('aggregation = "masked"', 'aggregation = "encrypted"'),
            ('aggregation = "masked"', 'aggregation = "clear"'),
            ('crowd = "fixed"', 'crowd = "open"'),
            ('coordinator = "malicious"', 'coordinator = "curious"'),
            ('coordinator = "malicious"', 'coordinator = "honest"'),
            ('# relation = "add-or-remove-one"', 'relation = "replace-one"'),
            ('# unit = "record"', 'unit = "person"'),
            ('# unit = "record"', 'unit = "party"'),
            ('family = "bernoulli"', 'family = "gaussian"'),
            ('family = "bernoulli"', 'family = "poisson"'),
            ('family = "bernoulli"', 'family = "categorical"\nn_classes = 3'),
        ],
    )
    def test_can_be_changed_as_its_comments_say(self, old, new):
        assert old in STARTER
        text = STARTER.replace("# [neighbours]", "[neighbours]").replace(old, new, 1)
        if "clear" in new:
            text = text.replace('coordinator = "malicious"', 'coordinator = "honest"', 1)
        if "open" in new:
            text = text.replace('coordinator = "malicious"', 'coordinator = "curious"', 1)
        assert read_plan(text, "plan.toml")[0].hash != read_plan(STARTER, "plan.toml")[0].hash

    def test_takes_the_key_that_its_comment_describes(self):
        text = STARTER.replace("64 hexadecimal digits of an Ed25519 public key", KEY)
        text = text.replace("# key =", "key =") + f'[coordinator]\nkey = "{"c0" * 32}"\n'
        made, _ = read_plan(text, "plan.toml")
        assert not made.party("alder").simulated
        assert made.coordinator == Coordinator(b"\xc0" * 32)

    def test_can_switch_to_the_other_algorithm_it_names(self):
        text = STARTER.replace('"fed-avg"', '"fed-sgd"').replace("weight_cap", "capacity")
        made, _ = read_plan(text.replace("local_steps = 10\n", ""), "plan.toml")
        assert made.task.name == "fed-sgd"


@cache
def own_keys():
    """The list of keys, by a process of its own: other tests register protections."""
    command = "from confide.computation.starter import keys_in_markdown as k; print(k())"
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, check=True, text=True
    )
    return done.stdout


class TestKeys:
    def test_are_listed_in_the_document(self):
        """`python -m tests.documents --write` writes the list anew."""
        text = DOCUMENT.read_text(encoding="utf-8")
        _, _, rest = text.partition("<!-- keys: begin -->\n")
        listed, end, _ = rest.partition("<!-- keys: end -->")
        assert end
        assert listed.strip() == own_keys().strip()

    def test_are_those_of_every_field(self):
        """Each field of plan and stage has its row, unless it follows from others."""
        rows = re.findall(r"^\| `\[*(\w+)", keys_in_markdown(), re.MULTILINE)
        fields = {f.name for kind in (Plan, Sums) for f in dataclasses.fields(kind)}
        named = {k.field: k.name for kind in (Plan, Sums) for k in keys_of(kind)}
        follow = {"schema_version", "code", "sums", "keeps_own_state"}
        assert fields - set(named) == follow
        assert {name for name in named.values() if name != "stage"} <= set(rows)

    def test_have_a_meaning_each(self):
        rows = re.findall(r"^\| `.*?` \| (.*?) \|", own_keys(), re.MULTILINE)
        assert len(rows) > 40
        assert all(rows)

    @pytest.mark.parametrize(
        ("row", "default"),
        [("rounds", "`1`"), ("dropouts", "`0`"), ("seed", "`0`"), ("chunk_records", "`4096`"),
         ("crowd", '`"open"`'), ("aggregation", '`"masked"`'), ("name", "required"),
         ("key", "simulated"), ("[[party]]", "required"), ("noise_multiplier",
          "required, or `epsilon`")],
    )  # fmt: skip
    def test_have_the_defaults_that_hold(self, row, default):
        found = re.search(
            rf"^\| `{re.escape(row)}` \| .* \| ({re.escape(default)}) \|$",
            keys_in_markdown(),
            re.MULTILINE,
        )
        assert found is not None
