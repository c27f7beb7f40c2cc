import re
import tomllib
from dataclasses import replace
from typing import Any

import pytest

from confide.computation import make_computation, read_plan
from confide.errors import PlanError
from confide.plan import (
    Adversary,
    CentralNoise,
    Clear,
    Coordinator,
    Corruption,
    Enclave,
    Encrypted,
    FixedCrowd,
    FullBatch,
    Hardware,
    Masked,
    Neighbours,
    NoiseShares,
    NoNoise,
    OpenCrowd,
    Party,
    Plan,
    PoissonSampling,
    PublicValue,
    Recipients,
    Relation,
    Release,
    Rule,
    Sums,
    Threat,
    Unit,
)
from confide.privacy.guarantee import statement

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
COORDINATOR = f'[coordinator]\nkey = "{"c0" * 32}"\n'
RELEASE = '[release]\nto = "named"\nparties = ["b", "a"]\nnot_before = "2027-01-31T09:00:00Z"'
STAGE = TASK.replace("[task", "[stage.task")
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
            coordinator=Coordinator.simulation(),
            stages=(
                Sums(
                    name="sums",
                    task=made.task,
                    code=made.code,
                    sums=made.sums,
                    rounds=1,
                    sampling=FullBatch(),
                    release=Release(to=Recipients.EVERYONE),
                    budget=1.0,
                ),
            ),
            crowd=OpenCrowd(),
            neighbours=Neighbours(unit=Unit.RECORD, relation=Relation.ADD_OR_REMOVE_ONE),
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
            public=(),
            seed=0,
            chunk_records=4096,
        )

    def test_gives_the_computation_that_the_task_names(self):
        made, (computation,) = read_plan(text_of(), "plan.toml")
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
            ('crowd = "open"', "crowd", OpenCrowd()),
            ('crowd = "fixed"', "crowd", FixedCrowd()),
            ("seed = 18446744073709551615", "seed", 2**64 - 1),
            ("chunk_records = 7", "chunk_records", 7),
        ],
    )
    def test_reads_each_key_at_the_top(self, top, field, value):
        assert getattr(plan_of(top), field) == value

    def test_reads_a_party_with_a_key_and_one_without(self):
        made = plan_of(
            parties=f'{PARTIES}[[party]]\nname = "real"\nkey = "{KEY}"\n', sections=COORDINATOR
        )
        assert made.party("real") == Party("real", b"\x5a" * 32)
        assert made.party("a") == Party.simulation("a")

    def test_reads_ownership_groups(self):
        parties = f'{PARTIES}group = "chain"\n[[party]]\nname = "f"\nkey = "{KEY}"\n'
        made = plan_of(parties=parties + 'group = "chain"\n', sections=COORDINATOR)
        assert made.party("e") == Party.simulation("e", "chain")
        assert made.party("f") == Party("f", b"\x5a" * 32, group="chain")
        assert made.party("a").group is None

    def test_reads_the_coordinators_key(self):
        assert plan_of(sections=COORDINATOR).coordinator == Coordinator(b"\xc0" * 32)

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
            ("[sampling]", TASK, "sampling", FullBatch()),
            ('[release]\nto = "coordinator"', TASK, "release", Release(to=Recipients.COORDINATOR)),
            (
                RELEASE,
                TASK,
                "release",
                Release(
                    to=Recipients.NAMED, parties=("a", "b"), not_before="2027-01-31T09:00:00Z"
                ),
            ),
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
             "sampling", "no sampling", "release", "named release", "public",
             "public without rows"],
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

    def test_reads_an_enclave_and_what_lies_beneath_it(self):
        enclave = f'[enclave]\npolicy = "{KEY}"\nover = "masked"\nsimulated = true\n'
        made = plan_of('aggregation = "enclave"', enclave)
        assert made.aggregation == Enclave(policy=b"\x5a" * 32, over=Masked(), simulated=True)

    def test_reads_an_enclave_with_a_robust_rule(self):
        enclave = f'[enclave]\npolicy = "{KEY}"\nrule = "median"\n'
        threat = '[threat]\nhardware = "assumed-sound"\n'
        made = plan_of('aggregation = "enclave"', enclave + threat)
        assert made.aggregation == Enclave(policy=b"\x5a" * 32, rule=Rule.MEDIAN)

    def test_reads_the_hash_of_the_plan_it_describes(self):
        first, second = (plan_of("seed = 1", parties=p) for p in (PARTIES, _reversed(PARTIES)))
        assert first.hash == second.hash != plan_of("seed = 2").hash


def _reversed(parties):
    return "".join(reversed(re.findall(r"\[\[party\]\]\nname = .*\n", parties)))


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("name = ", ["plan.toml is not TOML: "]),
            ("[task", ["plan.toml is not TOML"]),
            ("rounds = " + "9" * 5000, ["plan.toml is not TOML", "4300 digits"]),
            ("a = " + "[" * 5000, ["plan.toml is not TOML"]),
            ("", ["'name' is missing", "'party' is missing", "'task' is missing"]),
            (text_of(head=""), ["'name' is missing"]),
            (text_of(head="name = 5\n"), ["'name' is 5", "a text in quotes"]),
            (text_of(task=""), ["'task' is missing"]),
            (text_of(task="[task]\ncapacity = 1"), ["section [task] has no name", "'fed-avg'"]),
            (text_of(task="[task]\nname = 7"), ["section [task] has no name"]),
            (text_of("task = 1", task=""), ["'task' is 1", "a section [task]"]),
            (text_of(task='[task]\nname = "fed-agv"'), ["'fed-agv'", "did you mean 'fed-avg'"]),
            (text_of(task=TASK + "labels = 1"), ["'table.labels'", "did you mean 'label'"]),
            (text_of(parties=""), ["'party' is missing"]),
            (text_of(parties='[party]\nname = "a"\n'), ["'party' is a section", "[[party]]"]),
            (text_of(parties='[[party]]\nname = "a"\n'), ["1 parties"]),
            (text_of(parties=PARTIES + "[[party]]\n"), ["'party.5.name' is missing"]),
            (text_of(parties=PARTIES + '[[party]]\nname = "a"\n'), ["2 parties", "'a'"]),
            (text_of(parties=PARTIES + '[[party]]\nname = "Ä"\n'), ["a party named 'Ä'"]),
            (text_of(parties=PARTIES + '[[party]]\nname = "f"\nkey = "5a"\n'),
             ["'party.5': party 'f' has a key of 1 bytes", "has 32"]),
            (text_of(parties=PARTIES + f'[[party]]\nname = "f"\nkey = "{"zz" * 32}"\n'),
             ["'party.5.key' is 'zz", "hexadecimal digits"]),
            (text_of(parties=PARTIES + '[[party]]\nname = "f"\nkey = "' + "5a " * 21 + '5"\n'),
             ["'party.5.key' is '5a 5a", "hexadecimal digits"]),
        ],
        ids=["no value", "no bracket", "digits", "brackets", "empty", "no name", "name a number",
             "no task", "task without name", "task a number", "task no section", "task unknown",
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
            ('rounds = "3"', ["'rounds' is '3'", "a whole number"]),
            ("rounds = 3.0", ["'rounds' is 3.0", "a whole number"]),
            ("rounds = true", ["'rounds' is true", "a whole number"]),
            (f"rounds = {10**30}", [f"rounds of Sums is {10**30}", "64 bits"]),
            ("dropouts = -1", ["dropouts is -1", "at least 0"]),
            ("dropouts = true", ["'dropouts' is true", "a whole number"]),
            ("dropouts = 3", ["insider subtraction", "3 may drop out"]),
            ("dropouts = 5", ["dropout"]),
            ("chunk_records = 0", ["chunk_records is 0", "at least 1"]),
            ("seed = -1", ["seed is -1", "at least 0 and below 2^64"]),
            (f"seed = {2**64}", [f"seed is {2**64}", "at least 0 and below 2^64"]),
            ("seed = 0.5", ["'seed' is 0.5", "a whole number"]),
            ('aggregation = "maked"', ["'aggregation' is 'maked'", "did you mean 'masked'"]),
            ("aggregation = 3", ["'aggregation' is 3", "known here: clear, enclave"]),
            ('aggregation = "enclave"', ["without a section [enclave] that gives policy"]),
            ('crowd = "fixd"', ["'crowd' is 'fixd'", "did you mean 'fixed'"]),
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
            ('[neighbours]\nunit = "row"', ["'neighbours.unit' is 'row'", "party, person, record"]),
            ('[neighbours]\nunit = "party"', ["bounded per record", "declare the sums per party"]),
            ('[neighbours]\nrelation = "remove"', ["'neighbours.relation'", "replace-one"]),
            ("[neighbours]\nperson_at_several_parties = true", ["it is about persons"]),
            ('[neighbours]\nperson_at_several_parties = "yes"', ["is 'yes'", "true or false"]),
            ('[threat]\nhardware = "good"', ["'threat.hardware' is 'good'", "assumed-sound"]),
            ('[threat.integrity]\nnetwork = "bad"', ["'threat.integrity.network' is 'bad'"]),
            ("[threat.integrity]\ncolluding_parties = -1", ["colluding_parties is -1", "least 0"]),
            ("[threat.confidentiality]\ncolluding_parties = 4", ["insider subtraction"]),
            ('[threat.confidentiality]\nparties = "honest"', ["set colluding_parties = 0"]),
            ('[noise]\nplacement = "centre"', ["'noise.placement' is 'centre'", "'central'"]),
            ('[noise]\nplacement = "shares"', ["multiplier' is missing: give it, or epsilon"]),
            ("[noise]\nnoise_multiplier = 1.0",
             ["'noise.noise_multiplier' is for placement 'central' or 'shares'", "it is 'none'"]),
            ('[noise]\ndelta = 1e-6', ["'noise.delta' is for placement", "leave delta out"]),
            ('[noise]\nplacement = "central"\nepsilon = 1\nnoise_multiplier = 1',
             ["'noise': both epsilon and noise_multiplier; give one, the other is derived"]),
            ('[noise]\nplacement = "central"\nnoise_multiplier = 1\ndelta = 0.5',
             ["delta is 0.5 and the plan counts up to"]),
            ('[noise]\nplacement = "central"\nepsilon = -1', ["epsilon"]),
            ('[noise]\nplacement = "central"\nepsilon = nan', ["epsilon", "finite"]),
            ("[sampling]\nrate = 0", ["sampling rate is 0.0"]),
            ('[noise]\nplacement = "central"\nnoise_multiplier = 0', ["is 0.0", "positive"]),
            ('[noise]\nplacement = "central"\nnoise_multiplier = nan', ["finite number"]),
            ('[noise]\nplacement = "central"\nnoise_multiplier = "1"', ["is '1'", "a number"]),
            ('[release]\nto = "me"', ["'release.to' is 'me'", "coordinator, everyone, named"]),
            ('[release]\nto = "named"', ["'release': a release to 'named' with parties []"]),
            ("[release]\nnot_before = 2027-01-31T09:00:00Z", ["date or time without quotes"]),
            ('[release]\nto = "named"\nparties = "a"', ["'release.parties' is 'a'", "a list"]),
            ('[release]\nto = "named"\nparties = [1]', ["'release.parties.0' is 1", "a text"]),
            ('[coordinator]\nkey = "c0"', ["'coordinator': the coordinator has a key of 1 bytes"]),
            ("[coordinator]", ["'coordinator.key' is missing"]),
            (f'[enclave]\npolicy = "{KEY}"',
             ["'enclave' is a section for aggregation 'enclave'", "'aggregation' is 'masked'"]),
            (f'[[public]]\nname = "p"\nsha256 = "{KEY}"', ["'public.0.meaning' is missing"]),
            ('[[public]]\nname = "p"\nsha256 = "00"\nmeaning = ""',
             ["'public.0': public value 'p' has a digest of 1 bytes", "has 32"]),
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
            (text_of(sections="[sampling]\nrat = 0.5\n"), "sampling.rat", "rate"),
            (text_of(sections="[coordinator]\nkeys = 1\n"), "coordinator.keys", "key"),
            (text_of(sections="[release]\ntoo = 1\n"), "release.too", "to"),
            (text_of(sections=f'[[public]]\nname = "p"\nsha25 = "{KEY}"\n'),
             "public.0.sha25", "sha256"),
        ],
        ids=["top", "spelling", "party", "section", "neighbours", "threat", "adversary", "noise",
             "sampling", "coordinator", "release", "public"],
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


STAGES = (
    '[[stage]]\nname = "scales"\nbudget = 0.25\n'
    + STAGE
    + '[[stage]]\nname = "training"\nrounds = 3\nbudget = 0.75\n[stage.sampling]\nrate = 0.5\n'
    + STAGE.replace("clip_norm_l2 = 1.0", "clip_norm_l2 = 2.0")
)


class TestStages:
    def test_are_read_in_order_each_with_its_computation(self):
        made, computations = read_plan(text_of(task=STAGES), "plan.toml")
        scales, training = made.sum_stages
        assert made.sum_stages == made.stages
        assert (scales.name, scales.rounds, scales.budget) == ("scales", 1, 0.25)
        assert (training.name, training.rounds, training.budget) == ("training", 3, 0.75)
        assert (scales.sampling, training.sampling) == (FullBatch(), PoissonSampling(0.5))
        assert [c.task for c in computations] == [stage.task for stage in made.stages]
        for computation, part in zip(computations, made.stage_plans, strict=True):
            computation.check_plan(part)

    def test_one_stage_is_what_stands_at_the_top_otherwise(self):
        made, (computation,) = read_plan(
            text_of(task="[[stage]]\nrounds = 3\n" + STAGE), "plan.toml"
        )
        assert made == plan_of("rounds = 3")
        assert computation.task == made.task

    def test_share_the_noise_that_the_plan_declares(self):
        noise = '[noise]\nplacement = "shares"\nnoise_multiplier = 2.0\n'
        assert plan_of(sections=noise, task=STAGES).noise == NoiseShares(2.0)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            (text_of("rounds = 3", task=STAGES), ["'rounds' at the top", "[[stage]]", "move it"]),
            (text_of("rounds = 3", task=STAGES + TASK), ["'task' and 'rounds' at the top", "them"]),
            (text_of("stage = 3", task=""), ["'stage' is 3", "a list: [[stage]]"]),
            (text_of("stage = []", task=""), ["a plan without stages"]),
            (text_of(task="[[stage]]\n"), ["'stage.0.task' is missing"]),
            (text_of(task="[[stage]]\nround = 1\n" + STAGE), ["'stage.0.round'", "'rounds'"]),
            (text_of(task="[[stage]]\nrounds = 0\n" + STAGE), ["'stage.0': rounds is 0"]),
            (text_of(task=STAGES.replace("0.25", "0.5")), ["1.25 of the noise budget"]),
            (text_of("budget = 1.0"), ["unknown key 'budget'"]),
        ],
    )
    def test_that_cannot_be_are_refused(self, text, told):
        message = refusal(text)
        assert [part for part in told if part not in message] == []


class TestEpsilon:
    """Noise by ε, where only the noise makes the plan possible."""

    NOISE = '[neighbours]\nunit = "party"\n[noise]\nplacement = "shares"\nepsilon = 3.0\n'

    def test_covers_firms_over_an_open_crowd(self):
        made = plan_of("rounds = 4\ndropouts = 1", self.NOISE, task=PARTY_TASK)
        assert made.firms_covered
        assert made.crowd == OpenCrowd()
        assert 2.99 < statement(made).epsilon <= 3.0

    def test_is_calibrated_the_same_whatever_the_crowd(self):
        crowds = [
            plan_of(f'rounds = 4\ndropouts = 1\ncrowd = "{crowd}"', self.NOISE, task=PARTY_TASK)
            for crowd in ("open", "fixed")
        ]
        assert replace(crowds[0], crowd=FixedCrowd()) == crowds[1]

    def test_covers_records_over_an_open_crowd_and_no_firm(self):
        noise = '[noise]\nplacement = "shares"\nepsilon = 3.0\n'
        made = plan_of("rounds = 4\ndropouts = 1", noise)
        assert made.crowd == OpenCrowd()
        assert not made.firms_covered
        (found,) = (f for f in made.findings if f.attack == "differences across rounds")
        assert "NOT PRIVATE for that party as a whole" in found.reason

    def test_that_is_none_leaves_an_open_crowd_refused(self):
        assert "differences of opened sums" in refusal(text_of("rounds = 4\ndropouts = 1"))
