"""Plans of schema 2 become plans of schema 3, or are refused with what to change."""

from pathlib import Path

import pytest

from confide import canonical
from confide.errors import ConfideError, PlanError, ProtocolError
from confide.plan import (
    Clear,
    Coordinator,
    Encrypted,
    FixedCrowd,
    Masked,
    NoiseShares,
    OpenCrowd,
    Plan,
    Recipients,
    Release,
    Task,
)
from confide.plan.migration import migrate

FOLDER = Path(__file__).parent / "golden" / "schema_2"
COORDINATOR = Coordinator(b"\xc0" * 32)
NAMES = ("attested", "clear", "lenders", "patients", "sealed")


def old_bytes(name):
    return bytes.fromhex((FOLDER / f"{name}.cbor.hex").read_text("ascii"))


def altered(name, **changes):
    """Old bytes with changes; None leaves a key out."""
    plain = canonical.decode(old_bytes(name), 1 << 20)
    plain |= changes
    return canonical.encode({key: value for key, value in plain.items() if value is not None})


class TestMigrate:
    @pytest.mark.parametrize("name", NAMES)
    def test_keeps_what_the_old_plan_says(self, name):
        old = canonical.decode(old_bytes(name), 1 << 20)
        made = migrate(old_bytes(name), coordinator=COORDINATOR, crowd=FixedCrowd())
        new = canonical.decode(made.canonical(), 1 << 20)
        (stage,) = new["stages"]
        for key in ("task", "code", "sums", "rounds", "sampling", "release"):
            assert stage[key] == old[key]
        for key in ("name", "neighbours", "dropouts", "noise", "threat", "public", "seed"):
            assert new[key] == old[key]
        assert [(p["name"], p["key"]) for p in new["parties"]] == [
            (p["name"], p["key"]) for p in old["parties"]
        ]
        assert new["schema_version"] == 3

    @pytest.mark.parametrize("name", NAMES)
    def test_gives_bytes_that_this_release_reads(self, name):
        made = migrate(old_bytes(name), coordinator=COORDINATOR, crowd=FixedCrowd())
        assert Plan.from_canonical(made.canonical()) == made
        assert made.hash.hex() != (FOLDER / f"{name}.sha256").read_text("ascii").strip()

    def test_makes_values_of_the_old_ones(self):
        lenders = migrate(old_bytes("lenders"), coordinator=COORDINATOR, crowd=FixedCrowd())
        assert (lenders.task.name, lenders.rounds, lenders.dropouts) == ("fed-avg", 20, 1)
        assert lenders.aggregation == Masked()
        patients = migrate(old_bytes("patients"), coordinator=COORDINATOR)
        assert (patients.task, patients.noise) == (Task("survey"), NoiseShares(1.25))
        assert patients.crowd == OpenCrowd()
        sealed = migrate(old_bytes("sealed"), coordinator=COORDINATOR)
        assert sealed.aggregation == Encrypted()

    def test_simulates_the_coordinator_of_simulated_parties(self):
        made = migrate(old_bytes("clear"))
        assert made.coordinator == Coordinator.simulation()
        assert made.aggregation == Clear()
        assert made.release == Release(to=Recipients.COORDINATOR)


class TestRefusals:
    def test_of_real_parties_without_a_coordinators_key_name_the_option(self):
        with pytest.raises(PlanError, match=r"5 parties have keys .* --coordinator-key HEX"):
            migrate(old_bytes("lenders"))

    def test_of_what_the_rule_of_openings_refuses_offer_the_fixed_crowd(self):
        """Exact sums of twenty rounds with a dropout, against a coordinator that may lie."""
        with pytest.raises(PlanError, match=r"differences of opened sums.*--crowd fixed$"):
            migrate(old_bytes("lenders"), coordinator=COORDINATOR)

    def test_offer_nothing_that_would_not_help(self):
        with pytest.raises(PlanError, match="seed is") as refused:
            migrate(altered("sealed", seed=-1), coordinator=COORDINATOR)
        assert "--crowd" not in str(refused.value)

    @pytest.mark.parametrize(
        ("version", "told"),
        [
            *((v, rf"schema_version {v}; this release migrates 2 to 3") for v in (0, 1, 4)),
            (3, "this plan is of schema_version 3: it needs no migration"),
            (True, "schema_version of the plan is of type bool"),
            ("2", "schema_version of the plan is of type str"),
            (None, "a plan without schema_version"),
        ],
    )
    def test_of_other_schemas_say_which_one_is_migrated(self, version, told):
        with pytest.raises(PlanError, match=told):
            migrate(altered("clear", schema_version=version))

    @pytest.mark.parametrize("key", ["task", "code", "sums", "rounds", "sampling", "release"])
    def test_of_a_plan_that_lacks_a_part_name_it(self, key):
        with pytest.raises(PlanError, match=f"lacks {key}"):
            migrate(altered("clear", **{key: None}))

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"parties": 3}, "parties is of type int"),
            ({"parties": [3]}, "parties"),
            ({"dropouts": None}, "lacks dropouts"),
            ({"colour": "red"}, "unknown key 'colour'"),
            ({"rounds": "three"}, "rounds is of type str"),
            ({"aggregation": {"type": "Maked"}}, "did you mean 'Masked'"),
            ({"aggregation": {"type": 5}}, "aggregation"),
        ],
    )
    def test_of_malformed_plans_say_where(self, changes, told):
        with pytest.raises(PlanError, match=told):
            migrate(altered("clear", **changes))

    @pytest.mark.parametrize("data", [b"", b"\x00", b"name = 'plan'", old_bytes("clear") + b"\0"])
    def test_of_what_is_no_plan_are_errors_of_ours(self, data):
        with pytest.raises((PlanError, ProtocolError)):
            migrate(data)

    @pytest.mark.parametrize("name", NAMES)
    def test_of_cut_bytes(self, name):
        data = old_bytes(name)
        for end in range(0, len(data), 7):
            with pytest.raises(ConfideError):
                migrate(data[:end], coordinator=COORDINATOR)


def test_the_message_of_the_refusal_names_the_command():
    with pytest.raises(PlanError, match="confide plan migrate"):
        Plan.from_canonical(old_bytes("clear"))
