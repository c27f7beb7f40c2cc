"""Plans: frozen values with their checks. No input, no output, no deep-learning framework."""

from confide.plan.attacks import ATTACKS, Aim, Finding, Outcome
from confide.plan.disclosure import exposures
from confide.plan.exchange import Exchange, Message, MessageForm, Role
from confide.plan.exchange_attacks import EXCHANGE_ATTACKS
from confide.plan.exchange_exposures import exchange_exposures
from confide.plan.exposures import (
    Condition,
    Exposure,
    Form,
    Guarantee,
    Observer,
    Standing,
    Subject,
    Verdict,
    What,
)
from confide.plan.lattice import Lattice
from confide.plan.masking import Masking, derive_masking
from confide.plan.openings import Opening
from confide.plan.parties import (
    COORDINATOR,
    Coordinator,
    Neighbours,
    Party,
    Relation,
    Unit,
    simulation_key,
)
from confide.plan.plan import SCHEMA_VERSION, Plan
from confide.plan.protection import (
    Aggregation,
    CentralNoise,
    Clear,
    Crowd,
    Enclave,
    Encrypted,
    FixedCrowd,
    FullBatch,
    Masked,
    Noise,
    NoiseShares,
    NoNoise,
    OpenCrowd,
    PoissonSampling,
    Protection,
    Rule,
    Sampling,
)
from confide.plan.stages import Recipients, Release, Stage, Sums
from confide.plan.sums import Norm, Sum, SumGroup
from confide.plan.task import Code, PublicValue, Task
from confide.plan.threat import Adversary, Corruption, Hardware, Threat

__all__ = [
    "ATTACKS",
    "COORDINATOR",
    "EXCHANGE_ATTACKS",
    "SCHEMA_VERSION",
    "Adversary",
    "Aggregation",
    "Aim",
    "CentralNoise",
    "Clear",
    "Code",
    "Condition",
    "Coordinator",
    "Corruption",
    "Crowd",
    "Enclave",
    "Encrypted",
    "Exchange",
    "Exposure",
    "Finding",
    "FixedCrowd",
    "Form",
    "FullBatch",
    "Guarantee",
    "Hardware",
    "Lattice",
    "Masked",
    "Masking",
    "Message",
    "MessageForm",
    "Neighbours",
    "NoNoise",
    "Noise",
    "NoiseShares",
    "Norm",
    "Observer",
    "OpenCrowd",
    "Opening",
    "Outcome",
    "Party",
    "Plan",
    "PoissonSampling",
    "Protection",
    "PublicValue",
    "Recipients",
    "Relation",
    "Release",
    "Role",
    "Rule",
    "Sampling",
    "Stage",
    "Standing",
    "Subject",
    "Sum",
    "SumGroup",
    "Sums",
    "Task",
    "Threat",
    "Unit",
    "Verdict",
    "What",
    "derive_masking",
    "exchange_exposures",
    "exposures",
    "simulation_key",
]
