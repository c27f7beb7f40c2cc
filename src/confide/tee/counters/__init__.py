"""Monotonic counters: what a host cannot set back for the enclave that it runs.

Which one an enclave has is part of its measured build, or else its host chooses one that it can
set back. `FileCounter` is one on a disk that one trusts, as each party has its own. The others
trust no host: `QuorumCounter` is kept by the parties together, `TpmCounter` by a chip that they
enrolled, and `LogCounter` by a public log that anybody can hold to what it said.
"""

from confide.tee.counters.counter import FileCounter, MonotonicCounter
from confide.tee.counters.logged import LogCounter, LogKeeper
from confide.tee.counters.quorum import CounterPeer, QuorumCounter
from confide.tee.counters.tpm import TpmCounter

__all__ = [
    "CounterPeer",
    "FileCounter",
    "LogCounter",
    "LogKeeper",
    "MonotonicCounter",
    "QuorumCounter",
    "TpmCounter",
]
