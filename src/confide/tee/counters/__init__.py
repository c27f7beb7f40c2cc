"""Monotonic counters, which a host cannot roll back for the enclave that it runs.

The choice of the counter is part of an enclave's measured build; otherwise its host could choose a
counter that it can roll back. `FileCounter` is on a trusted disk, such as a party's own.
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
