"""Plans: frozen values with their checks. No input, no output, no deep-learning framework."""

from confide.plan.attacks import ATTACKS, Aim, Finding, Outcome
from confide.plan.lattice import Lattice
from confide.plan.masking import Masking, derive_masking
from confide.plan.parties import Neighbours, Party, Relation, Unit, simulation_key
from confide.plan.plan import SCHEMA_VERSION, Plan
from confide.plan.protection import (
    Aggregation,
    CentralNoise,
    Clear,
    Enclave,
    Encrypted,
    FullBatch,
    Masked,
    Noise,
    NoiseShares,
    NoNoise,
    PoissonSampling,
    Recipients,
    Release,
    Rule,
    Sampling,
)
from confide.plan.sums import Norm, Sum, SumGroup
from confide.plan.task import Code, PublicValue, Task
from confide.plan.threat import Adversary, Corruption, Hardware, Threat

__all__ = [
    "ATTACKS",
    "SCHEMA_VERSION",
    "Adversary",
    "Aggregation",
    "Aim",
    "CentralNoise",
    "Clear",
    "Code",
    "Corruption",
    "Enclave",
    "Encrypted",
    "Finding",
    "FullBatch",
    "Hardware",
    "Lattice",
    "Masked",
    "Masking",
    "Neighbours",
    "NoNoise",
    "Noise",
    "NoiseShares",
    "Norm",
    "Outcome",
    "Party",
    "Plan",
    "PoissonSampling",
    "PublicValue",
    "Recipients",
    "Relation",
    "Release",
    "Rule",
    "Sampling",
    "Sum",
    "SumGroup",
    "Task",
    "Threat",
    "Unit",
    "derive_masking",
    "simulation_key",
]
