"""Monotonic counters: what a host cannot set back for the enclave that it runs.

Which one an enclave has is part of its measured build, or else its host chooses one that it can
set back. `FileCounter` is one on a disk that one trusts, as each party has its own.
`QuorumCounter` is kept by the parties together and trusts no host.
"""

from confide.tee.counters.counter import FileCounter, MonotonicCounter
from confide.tee.counters.quorum import CounterPeer, QuorumCounter

__all__ = [
    "CounterPeer",
    "FileCounter",
    "MonotonicCounter",
    "QuorumCounter",
]
