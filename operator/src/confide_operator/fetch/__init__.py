"""Collateral from the vendors: the one part of `confide.tee` that goes to the network, when asked.

Verifying never calls it. What it writes are files, which are verified like any others.
"""

from confide_operator.fetch.amd import KDS
from confide_operator.fetch.cache import Cache, Fetched
from confide_operator.fetch.http import Client
from confide_operator.fetch.intel import PCS
from confide_operator.fetch.listing import Listed, listed

__all__ = ["KDS", "PCS", "Cache", "Client", "Fetched", "Listed", "listed"]
