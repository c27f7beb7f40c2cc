"""A fifth protection, added by this folder alone: additive shares to two relays.

It is a toy: the relays are assumed not to collude, and both live in the
coordinator's process, under keys that only they hold.
"""

from tests.aggregation.relays.protection import Relays
from tests.aggregation.relays.sessions import MACHINERY, Relay

from confide.aggregation.machinery import register

__all__ = ["Relay", "Relays"]

register(Relays, MACHINERY)
