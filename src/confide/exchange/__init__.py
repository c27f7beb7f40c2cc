"""Exchanges: computations that are not sums, made of declared messages between a few parties.

An `Exchange` in a plan declares roles, messages and rounds. This package has the state machines
that send and accept these messages and no others, and the exchanges of this release:
`EncryptedScore`, in which an evaluator scores rows that it cannot read with a model that it keeps.
"""

from confide.exchange.estimate import ExchangeEstimate, estimate_exchange
from confide.exchange.planfile import read_plan
from confide.exchange.registry import Program, find_exchange, find_program
from confide.exchange.run import ExchangeRun, run_exchange
from confide.exchange.score import EncryptedScore
from confide.exchange.scoring import ScoreModel
from confide.exchange.session import ExchangeSession, Parcel, Part

__all__ = [
    "EncryptedScore",
    "ExchangeEstimate",
    "ExchangeRun",
    "ExchangeSession",
    "Parcel",
    "Part",
    "Program",
    "ScoreModel",
    "estimate_exchange",
    "find_exchange",
    "find_program",
    "read_plan",
    "run_exchange",
]
