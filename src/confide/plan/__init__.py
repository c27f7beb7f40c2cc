"""Plans: frozen values with their checks. No input, no output, no deep-learning framework."""

from confide.plan.attacks import ATTACKS, Aim, Finding, Outcome
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
    "SCHEMA_VERSION",
    "Adversary",
    "Aggregation",
    "Aim",
    "CentralNoise",
    "Clear",
    "Code",
    "Coordinator",
    "Corruption",
    "Crowd",
    "Enclave",
    "Encrypted",
    "Finding",
    "FixedCrowd",
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
    "OpenCrowd",
    "Opening",
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
    "Stage",
    "Sum",
    "SumGroup",
    "Sums",
    "Task",
    "Threat",
    "Unit",
    "derive_masking",
    "simulation_key",
]
