"""Plans whose canonical bytes and hashes are pinned: what parties signed stays readable.

Bytes that change without a new `SCHEMA_VERSION` make a plan unreadable that somebody has signed. So
raise `SCHEMA_VERSION` first, then write the files anew, in the same commit:

    python -m tests.plan.golden --write
"""

import hashlib
import textwrap
from functools import cache
from pathlib import Path

from tests.plan.examples import staged

from confide.plan import (
    Adversary,
    Clear,
    Code,
    Coordinator,
    Corruption,
    Enclave,
    Encrypted,
    FixedCrowd,
    Hardware,
    Masked,
    Neighbours,
    NoiseShares,
    Norm,
    Party,
    Plan,
    PoissonSampling,
    PublicValue,
    Recipients,
    Relation,
    Release,
    Sum,
    SumGroup,
    Sums,
    Task,
    Threat,
    Unit,
)

FOLDER = Path(__file__).parent

SCHEMA_2 = FOLDER / "schema_2" / "lenders.cbor.hex"
"""A plan as the schema before this one wrote it: such plans are refused, and can be migrated."""


def _digest(text):
    return hashlib.sha256(text.encode()).digest()


def _coordinator(name):
    return Coordinator(_digest(f"key of coordinator {name}"))


def _code(package):
    return Code(package=package, version="1.0.0", digest=_digest(package))


def _clear():
    """Three simulated parties that trust their coordinator."""
    nobody = Adversary(
        coordinator=Corruption.HONEST,
        colluding_parties=0,
        parties=Corruption.HONEST,
        evaluator=Corruption.HONEST,
        network=Corruption.CURIOUS,
    )
    return staged(
        name="clear",
        parties=tuple(Party.simulation(name) for name in ("north", "south", "west")),
        task=Task.of("histogram", edges=[0, 0.5, 1]),
        code=_code("counting"),
        sums=SumGroup((Sum(name="counts", shape=(2,), unit_bound=1.0, capacity=100),)),
        aggregation=Clear(),
        threat=Threat(confidentiality=nobody, integrity=nobody),
        release=Release(to=Recipients.COORDINATOR),
    )


def _lenders():
    """Five lenders that trust nobody."""
    return staged(
        name="lenders · Kreditgeber",
        parties=tuple(Party(f"lender-{i}", _digest(f"key of lender {i}")) for i in range(5)),
        coordinator=_coordinator("lenders"),
        task=Task.of("fed-avg", learning_rate=0.1, local_epochs=2, model="logistic"),
        code=_code("learning"),
        sums=SumGroup(
            (
                Sum(
                    name="update",
                    shape=(59, 2),
                    unit=Unit.PARTY,
                    unit_bound=0.3,
                    capacity=1,
                    meaning="what a lender would change in the model",
                ),
                Sum(name="weight", unit=Unit.PARTY, unit_bound=1e6, norm=Norm.L1, capacity=1),
                Sum(name="loss", unit=Unit.PARTY, unit_bound=1e-3, norm=Norm.LINF, capacity=1),
            )
        ),
        neighbours=Neighbours(unit=Unit.PARTY),
        rounds=20,
        dropouts=1,
        crowd=FixedCrowd(),
        aggregation=Masked(),
        public=(
            PublicValue(name="means", digest=_digest("means"), meaning="from a census"),
            PublicValue(name="holdout", digest=_digest("holdout"), meaning="published", rows=500),
        ),
        seed=2**64 - 1,
        chunk_records=256,
    )


def _patients():
    """Four hospitals that count persons, with shares of noise."""
    curious = Adversary(coordinator=Corruption.CURIOUS, network=Corruption.CURIOUS)
    return staged(
        name="patients",
        parties=tuple(Party(f"hospital.{i}", _digest(f"key of hospital {i}")) for i in range(4)),
        coordinator=_coordinator("patients"),
        task=Task("survey"),
        code=_code("counting"),
        sums=SumGroup(
            (
                Sum(
                    name="answers",
                    shape=(12,),
                    unit=Unit.PERSON,
                    unit_bound=2.5,
                    norm=Norm.L1,
                    capacity=30_000,
                ),
            )
        ),
        neighbours=Neighbours(unit=Unit.PERSON, relation=Relation.REPLACE_ONE),
        dropouts=1,
        aggregation=Masked(),
        noise=NoiseShares(1.25),
        threat=Threat(confidentiality=curious),
        seed=7,
    )


def _sealed():
    """Three parties that encrypt, and of which nobody may drop out."""
    return staged(
        name="sealed",
        parties=tuple(Party(f"ward-{i}", _digest(f"key of ward {i}")) for i in range(3)),
        coordinator=_coordinator("sealed"),
        task=Task("survey"),
        code=_code("counting"),
        sums=SumGroup((Sum(name="answers", shape=(3, 4), unit_bound=1.0, capacity=9),)),
        aggregation=Encrypted(),
    )


def _attested():
    """Four parties before an enclave that reads what they contribute."""
    return staged(
        name="attested",
        parties=tuple(Party(f"bank-{i}", _digest(f"key of bank {i}")) for i in range(4)),
        coordinator=_coordinator("attested"),
        task=Task("survey"),
        code=_code("counting"),
        sums=SumGroup((Sum(name="answers", shape=(3,), unit_bound=1.0, capacity=9),)),
        dropouts=1,
        aggregation=Enclave(policy=_digest("policy")),
        threat=Threat(hardware=Hardware.ASSUMED_SOUND),
    )


def _survey(package="counting", **fields):
    answers = Sum(name="answers", shape=(3,), unit_bound=1.0, capacity=9)
    return {"task": Task("survey"), "code": _code(package), "sums": SumGroup((answers,)), **fields}


def _chains():
    """Six shops of four owners, whose coordinator may lie: all sums are over the same parties."""
    return staged(
        name="chains",
        parties=tuple(
            Party(f"shop-{i}", _digest(f"key of shop {i}"), group=group)
            for i, group in enumerate(("ahlers", "ahlers", "brandt", "brandt", "clausen", None))
        ),
        coordinator=_coordinator("chains"),
        dropouts=1,
        crowd=FixedCrowd(),
        **_survey(rounds=3),
    )


def _staged():
    """Means first, then training on secret batches, with shares of one noise budget."""
    curious = Adversary(coordinator=Corruption.CURIOUS, network=Corruption.MALICIOUS)
    return Plan(
        name="staged",
        parties=tuple(Party(f"clinic-{i}", _digest(f"key of clinic {i}")) for i in range(5)),
        coordinator=_coordinator("staged"),
        stages=(
            Sums(name="means", budget=0.25, **_survey()),
            Sums(
                name="training",
                budget=0.75,
                **_survey("learning", rounds=4, sampling=PoissonSampling(0.5)),
            ),
        ),
        dropouts=1,
        noise=NoiseShares(1.5),
        threat=Threat(confidentiality=curious),
    )


def _named():
    """A result that two of four parties receive, not before a date."""
    return staged(
        name="named",
        parties=tuple(Party(f"bureau-{i}", _digest(f"key of bureau {i}")) for i in range(4)),
        coordinator=_coordinator("named"),
        **_survey(
            release=Release(
                to=Recipients.NAMED,
                parties=("bureau-0", "bureau-2"),
                not_before="2027-01-31T09:00:00Z",
            )
        ),
    )


PLANS = {
    "attested": _attested(),
    "chains": _chains(),
    "clear": _clear(),
    "lenders": _lenders(),
    "named": _named(),
    "patients": _patients(),
    "sealed": _sealed(),
    "staged": _staged(),
}


def bytes_file(name):
    return FOLDER / f"{name}.cbor.hex"


def hash_file(name):
    return FOLDER / f"{name}.sha256"


@cache
def read_bytes(name):
    return bytes.fromhex(bytes_file(name).read_text("ascii"))


def read_hash(name):
    return bytes.fromhex(hash_file(name).read_text("ascii"))


def write():
    for name, plan in PLANS.items():
        lines = textwrap.wrap(plan.canonical().hex(), 96)
        bytes_file(name).write_text("\n".join(lines) + "\n", "ascii")
        hash_file(name).write_text(plan.hash.hex() + "\n", "ascii")
