"""Collateral from the vendors: the one part of `confide.tee` that goes to the network, when asked.

Verifying never calls it. What it writes are files, which are verified like any others.
"""

from confide.tee.fetch.amd import KDS
from confide.tee.fetch.cache import Cache, Fetched
from confide.tee.fetch.http import Client
from confide.tee.fetch.intel import PCS
from confide.tee.fetch.listing import Listed, listed

__all__ = ["KDS", "PCS", "Cache", "Client", "Fetched", "Listed", "listed"]
