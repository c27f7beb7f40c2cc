import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from confide.computation import STARTER, make_computation, read_plan
from confide.computation.planfile import _PlanLiteral
from confide.errors import PlanError
from confide.plan import (
    Adversary,
    CentralNoise,
    Clear,
    Corruption,
    Encrypted,
    Hardware,
    Masked,
    Neighbours,
    NoiseShares,
    NoNoise,
    Party,
    Plan,
    PoissonSampling,
    PublicValue,
    Recipients,
    Relation,
    Release,
    Threat,
    Unit,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "plan-files.md"
KEY = "5a" * 32
HEAD = 'name = "plan"\n'
PARTIES = "".join(f'[[party]]\nname = "{name}"\n' for name in "abcde")
TASK = """
[task]
name = "fed-sgd"
capacity = 100
clip_norm_l2 = 1.0
[task.model]
family = "bernoulli"
[task.table]
features = ["x"]
label = "y"
"""
PARTY_TASK = TASK.replace("fed-sgd", "fed-avg").replace("capacity", "weight_cap")
HONEST = '[threat.confidentiality]\ncoordinator = "honest"\n'


def text_of(top="", sections="", *, parties=PARTIES, task=TASK, head=HEAD):
    return head + top + "\n" + parties + sections + task


def plan_of(top="", sections="", **parts):
    return read_plan(text_of(top, sections, **parts), "plan.toml")[0]


def refusal(text):
    with pytest.raises(PlanError) as raised:
        read_plan(text, "plan.toml")
    return str(raised.value)


class TestReadPlan:
    def test_fills_in_the_documented_defaults(self):
        made = plan_of()
        assert made == Plan(
            name="plan",
            parties=tuple(Party.simulation(name) for name in "abcde"),
            task=made.task,
            code=made.code,
            sums=made.sums,
            neighbours=Neighbours(unit=Unit.RECORD, relation=Relation.ADD_OR_REMOVE_ONE),
            rounds=1,
            dropouts=0,
            aggregation=Masked(),
            noise=NoNoise(),
            threat=Threat(
                confidentiality=Adversary(
                    coordinator=Corruption.MALICIOUS,
                    colluding_parties=1,
                    parties=Corruption.MALICIOUS,
                    evaluator=Corruption.MALICIOUS,
                    network=Corruption.MALICIOUS,
                ),
                hardware=Hardware.UNTRUSTED,
            ),
            release=Release(to=Recipients.EVERYONE),
            public=(),
            seed=0,
            chunk_records=4096,
        )

    def test_gives_the_computation_that_the_task_names(self):
        made, computation = read_plan(text_of(), "plan.toml")
        settings = tomllib.loads(TASK)["task"]
        settings.pop("name")
        assert computation.task == make_computation("fed-sgd", settings).task == made.task
        computation.check_plan(made)

    @pytest.mark.parametrize(
        ("top", "field", "value"),
        [
            ("rounds = 3", "rounds", 3),
            ("dropouts = 1", "dropouts", 1),
            ('aggregation = "masked"', "aggregation", Masked()),
            ('aggregation = "encrypted"', "aggregation", Encrypted()),
            ("seed = 18446744073709551615", "seed", 2**64 - 1),
            ("chunk_records = 7", "chunk_records", 7),
        ],
    )
    def test_reads_each_key_at_the_top(self, top, field, value):
        assert getattr(plan_of(top), field) == value

    def test_reads_a_party_with_a_key_and_one_without(self):
        made = plan_of(parties=f'{PARTIES}[[party]]\nname = "real"\nkey = "{KEY}"\n')
        assert made.party("real") == Party("real", b"\x5a" * 32)
        assert made.party("a") == Party.simulation("a")

    @pytest.mark.parametrize(
        ("sections", "task", "field", "value"),
        [
            ('[neighbours]\nunit = "party"', PARTY_TASK, "neighbours", Neighbours(unit=Unit.PARTY)),
            (
                '[neighbours]\nrelation = "replace-one"',
                TASK,
                "neighbours",
                Neighbours(relation=Relation.REPLACE_ONE),
            ),
            (
                '[neighbours]\nunit = "person"\nperson_at_several_parties = true',
                PARTY_TASK,
                "neighbours",
                Neighbours(unit=Unit.PERSON, person_at_several_parties=True),
            ),
            ('[threat]\nhardware = "assumed-sound"', TASK, "threat",
             Threat(hardware=Hardware.ASSUMED_SOUND)),
            ('[noise]\nplacement = "none"', TASK, "noise", NoNoise()),
            ('[noise]\nplacement = "central"\nnoise_multiplier = 2', TASK, "noise",
             CentralNoise(2.0)),
            ('[noise]\nplacement = "shares"\nnoise_multiplier = 0.5', TASK, "noise",
             NoiseShares(0.5)),
            ('[noise]\nplacement = "shares"\nnoise_multiplier = 2\ndelta = 1e-12', TASK, "noise",
             NoiseShares(2.0, delta=1e-12)),
            ("[sampling]\nrate = 0.25", TASK, "sampling", PoissonSampling(0.25)),
            ('[release]\nto = "coordinator"', TASK, "release", Release(to=Recipients.COORDINATOR)),
            (
                f'[[public]]\nname = "hold-out"\nsha256 = "{KEY}"\nmeaning = "old"\nrows = 12',
                TASK,
                "public",
                (PublicValue(name="hold-out", digest=b"\x5a" * 32, meaning="old", rows=12),),
            ),
            (
                f'[[public]]\nname = "hold-out"\nsha256 = "{KEY}"\nmeaning = "old"',
                TASK,
                "public",
                (PublicValue(name="hold-out", digest=b"\x5a" * 32, meaning="old", rows=0),),
            ),
        ],
        ids=["unit", "relation", "person", "hardware", "no noise", "central", "shares", "delta",
             "sampling", "release", "public", "public without rows"],
    )  # fmt: skip
    def test_reads_each_section(self, sections, task, field, value):
        assert getattr(plan_of(sections=sections, task=task), field) == value

    @pytest.mark.parametrize("goal", ["confidentiality", "integrity"])
    @pytest.mark.parametrize("key", ["coordinator", "parties", "evaluator", "network"])
    def test_reads_who_may_be_corrupted(self, goal, key):
        made = plan_of(sections=f'[threat.{goal}]\n{key} = "curious"')
        other = "integrity" if goal == "confidentiality" else "confidentiality"
        changed: dict[str, Any] = {key: Corruption.CURIOUS}
        assert getattr(made.threat, goal) == Adversary(**changed)
        assert getattr(made.threat, other) == Adversary()

    @pytest.mark.parametrize("goal", ["confidentiality", "integrity"])
    def test_reads_how_many_parties_collude(self, goal):
        made = plan_of(sections=f"[threat.{goal}]\ncolluding_parties = 2")
        assert getattr(made.threat, goal) == Adversary(colluding_parties=2)

    def test_reads_an_aggregation_in_clear(self):
        assert plan_of('aggregation = "clear"', HONEST).aggregation == Clear()

    def test_reads_the_hash_of_the_plan_it_describes(self):
        first, second = (plan_of("seed = 1", parties=p) for p in (PARTIES, _reversed(PARTIES)))
        assert first.hash == second.hash != plan_of("seed = 2").hash


def _reversed(parties):
    return "".join(reversed(re.findall(r"\[\[party\]\]\nname = .*\n", parties)))


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("name = ", ["plan.toml is no TOML: "]),
            ("[task", ["plan.toml is no TOML"]),
            ("rounds = " + "9" * 5000, ["plan.toml is no TOML", "4300 digits"]),
            ("a = " + "[" * 5000, ["plan.toml is no TOML"]),
            ("", ["'name' is missing", "'party' is missing", "'task' is missing"]),
            (text_of(head=""), ["'name' is missing"]),
            (text_of(head="name = 5\n"), ["'name' is 5", "valid string"]),
            (text_of(task=""), ["'task' is missing"]),
            (text_of(task="[task]\ncapacity = 1"), ["section [task] has no name", "'fed-avg'"]),
            (text_of(task="[task]\nname = 7"), ["section [task] has no name"]),
            (text_of(task='[task]\nname = "fed-agv"'), ["'fed-agv'", "did you mean 'fed-avg'"]),
            (text_of(task=TASK + "labels = 1"), ["'table.labels'", "did you mean 'label'"]),
            (text_of(parties=""), ["'party' is missing"]),
            (text_of(parties='[party]\nname = "a"\n'), ["'party'", "valid array"]),
            (text_of(parties='[[party]]\nname = "a"\n'), ["1 parties"]),
            (text_of(parties=PARTIES + "[[party]]\n"), ["'party.5.name' is missing"]),
            (text_of(parties=PARTIES + '[[party]]\nname = "a"\n'), ["2 parties", "'a'"]),
            (text_of(parties=PARTIES + '[[party]]\nname = "Ä"\n'), ["a party named 'Ä'"]),
            (text_of(parties=PARTIES + '[[party]]\nname = "f"\nkey = "5a"\n'),
             ["key of party 'f' has 2 digits", "takes 64"]),
            (text_of(parties=PARTIES + f'[[party]]\nname = "f"\nkey = "{"zz" * 32}"\n'),
             ["key of party 'f' is not hexadecimal", "zz"]),
            (text_of(parties=PARTIES + '[[party]]\nname = "f"\nkey = "' + "5a " * 21 + '5"\n'),
             ["key of party 'f'"]),
        ],
        ids=["no value", "no bracket", "digits", "brackets", "empty", "no name", "name a number",
             "no task", "task without name", "task name a number", "task unknown",
             "setting unknown", "no party", "party no list", "one party", "party without name",
             "party twice", "party named oddly", "short key", "no key", "spaced key"],
    )  # fmt: skip
    def test_name_what_is_wrong(self, text, told):
        message = refusal(text)
        assert [part for part in told if part not in message] == []
        assert "\n" not in message.strip()

    @pytest.mark.parametrize(
        ("top", "told"),
        [
            ("rounds = 0", ["rounds is 0", "at least 1"]),
            ('rounds = "3"', ["'rounds' is '3'", "valid integer"]),
            ("rounds = 3.0", ["'rounds' is 3.0", "valid integer"]),
            ("rounds = true", ["'rounds' is True", "valid integer"]),
            (f"rounds = {10**30}", [f"rounds of Plan is {10**30}", "64 bits"]),
            ("dropouts = -1", ["dropouts is -1", "at least 0"]),
            ("dropouts = true", ["'dropouts' is True", "valid integer"]),
            ("dropouts = 3", ["insider subtraction", "3 may drop out"]),
            ("dropouts = 5", ["dropout"]),
            ("chunk_records = 0", ["chunk_records is 0", "at least 1"]),
            ("seed = -1", ["seed is -1", "at least 0 and below 2^64"]),
            (f"seed = {2**64}", [f"seed is {2**64}", "at least 0 and below 2^64"]),
            ("seed = 0.5", ["'seed' is 0.5", "valid integer"]),
            ('aggregation = "maked"', ["aggregation 'maked'", "did you mean 'masked'"]),
            ('aggregation = "clear"', ["read contributions", "'masked'"]),
        ],
        ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
    )
    def test_of_bad_values_at_the_top_name_value_and_limit(self, top, told):
        message = refusal(text_of(top))
        assert [part for part in told if part not in message] == []

    @pytest.mark.parametrize(
        ("sections", "told"),
        [
            ('[neighbours]\nunit = "row"', ["'neighbours.unit' is 'row'", "'record'", "'party'"]),
            ('[neighbours]\nunit = "party"', ["bounded per record", "declare the sums per party"]),
            ('[neighbours]\nrelation = "remove"', ["'neighbours.relation'", "'replace-one'"]),
            ("[neighbours]\nperson_at_several_parties = true", ["it is about persons"]),
            ('[neighbours]\nperson_at_several_parties = "yes"', ["is 'yes'", "valid boolean"]),
            ('[threat]\nhardware = "good"', ["'threat.hardware' is 'good'", "'assumed-sound'"]),
            ('[threat.integrity]\nnetwork = "bad"', ["'threat.integrity.network' is 'bad'"]),
            ("[threat.integrity]\ncolluding_parties = -1", ["colluding_parties is -1", "least 0"]),
            ("[threat.confidentiality]\ncolluding_parties = 4", ["insider subtraction"]),
            ('[threat.confidentiality]\nparties = "honest"', ["set colluding_parties = 0"]),
            ('[noise]\nplacement = "centre"', ["placement 'centre'", "did you mean 'central'"]),
            ('[noise]\nplacement = "shares"', ["neither of epsilon and noise_multiplier"]),
            ("[noise]\nnoise_multiplier = 1.0", ["noise_multiplier with noise placement 'none'"]),
            ('[noise]\ndelta = 1e-6', ["delta with noise placement 'none'"]),
            ('[noise]\nplacement = "central"\nepsilon = 1\nnoise_multiplier = 1', ["with both"]),
            ('[noise]\nplacement = "central"\nnoise_multiplier = 1\ndelta = 0.5',
             ["delta is 0.5 and the plan counts up to"]),
            ('[noise]\nplacement = "central"\nepsilon = -1', ["epsilon"]),
            ('[noise]\nplacement = "central"\nepsilon = nan', ["epsilon", "finite"]),
            ("[sampling]\nrate = 0", ["sampling rate is 0.0"]),
            ('[noise]\nplacement = "central"\nnoise_multiplier = 0', ["is 0.0", "positive"]),
            ('[noise]\nplacement = "central"\nnoise_multiplier = nan', ["finite number"]),
            ('[noise]\nplacement = "central"\nnoise_multiplier = "1"', ["is '1'", "valid number"]),
            ('[release]\nto = "me"', ["'release.to' is 'me'", "'coordinator' or 'everyone'"]),
            (f'[[public]]\nname = "p"\nsha256 = "{KEY}"', ["'public.0.meaning' is missing"]),
            ('[[public]]\nname = "p"\nsha256 = "00"\nmeaning = ""',
             ["sha256 of public value 'p' has 2 digits", "takes 64"]),
            (f'[[public]]\nname = "p"\nsha256 = "{KEY}"\nmeaning = ""\nrows = -1',
             ["public value 'p' has -1 rows", "at least 0"]),
        ],
        ids=lambda value: value.replace("\n", " ")[:60] if isinstance(value, str) else "",
    )  # fmt: skip
    def test_of_bad_values_in_sections_name_value_and_limit(self, sections, told):
        message = refusal(text_of(sections=sections + "\n"))
        assert [part for part in told if part not in message] == []

    @pytest.mark.parametrize(
        ("text", "unknown", "nearest"),
        [
            (text_of("round = 3"), "round", "rounds"),
            (text_of("agregation = 1"), "agregation", "aggregation"),
            (text_of(parties=PARTIES + 'keys = "5a"\n'), "party.4.keys", "key"),
            (text_of(sections="[neighbors]\n"), "neighbors", "neighbours"),
            (text_of(sections="[neighbours]\nunits = 1\n"), "neighbours.units", "unit"),
            (text_of(sections="[threat]\nhardwares = 1\n"), "threat.hardwares", "hardware"),
            (text_of(sections="[threat.integrity]\ncordinator = 1\n"),
             "threat.integrity.cordinator", "coordinator"),
            (text_of(sections="[noise]\nplace = 1\n"), "noise.place", "placement"),
            (text_of(sections="[release]\ntoo = 1\n"), "release.too", "to"),
            (text_of(sections=f'[[public]]\nname = "p"\nsha25 = "{KEY}"\n'),
             "public.0.sha25", "sha256"),
        ],
        ids=["top", "spelling", "party", "section", "neighbours", "threat", "adversary", "noise",
             "release", "public"],
    )  # fmt: skip
    def test_of_unknown_keys_name_the_nearest(self, text, unknown, nearest):
        assert f"unknown key {unknown!r}, did you mean {nearest!r}?" in refusal(text)

    def test_name_all_problems_at_once(self):
        message = refusal(text_of('rounds = "x"\nseeds = 3'))
        assert message.startswith("plan.toml: ")
        assert "'rounds'" in message
        assert "'seeds'" in message

    def test_of_a_secret_key_would_be_too_late_so_it_takes_public_ones_only(self):
        assert "unknown key 'party.4.private_key'" in refusal(
            text_of(parties=PARTIES + 'private_key = "5a"\n')
        )


def uncommented(text):
    """The starter with each default that is commented out switched on; parties keep no key."""
    return re.sub(r"^# (?=\[|[a-z_]+ = (?!\"64))", "", text, flags=re.MULTILINE)


class TestStarter:
    def test_can_be_read_as_it_is(self):
        made, computation = read_plan(STARTER, "plan.toml")
        assert [p.name for p in made.parties] == ["alder", "birch", "cedar", "dogwood", "elm"]
        assert (made.rounds, made.dropouts, made.aggregation) == (20, 1, Masked())
        assert computation.columns == ("income", "debt", "late_payments", "approved")
        assert made.threat.confidentiality == Adversary()

    def test_shows_the_default_where_a_line_is_commented_out(self):
        switched = uncommented(STARTER)
        for line in ("seed = 0", "[neighbours]", "[threat.integrity]", 'network = "malicious"'):
            assert f"\n# {line}" in STARTER
            assert f"\n{line}" in switched
        assert read_plan(switched, "plan.toml")[0].hash == read_plan(STARTER, "plan.toml")[0].hash

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('aggregation = "masked"', 'aggregation = "clear"'),
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
        assert read_plan(text, "plan.toml")[0].hash != read_plan(STARTER, "plan.toml")[0].hash

    def test_takes_the_key_that_its_comment_describes(self):
        text = STARTER.replace("64 hexadecimal digits of an Ed25519 public key", KEY)
        text = text.replace("# key", "key")
        assert not read_plan(text, "plan.toml")[0].party("alder").simulated

    def test_can_switch_to_the_other_algorithm_it_names(self):
        text = STARTER.replace('"fed-avg"', '"fed-sgd"').replace("weight_cap", "capacity")
        made, _ = read_plan(text.replace("local_steps = 10\n", ""), "plan.toml")
        assert made.task.name == "fed-sgd"


class TestDocument:
    def test_lists_every_key_at_the_top(self):
        table = re.findall(r"^\| (.*?) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
        listed = set(re.findall(r"`\[*([a-z_]+)", "\n".join(table)))
        assert set(_PlanLiteral.model_fields) <= listed

    def test_gives_the_defaults_that_hold(self):
        text = DOCUMENT.read_text(encoding="utf-8")
        for key in ("rounds", "dropouts", "seed", "chunk_records"):
            row = re.search(rf"^\| `{key}` \| .* \| (\d+) \|$", text, re.MULTILINE)
            assert row is not None
            assert int(row[1]) == getattr(plan_of(), key)
