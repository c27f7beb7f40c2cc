"""What goes wrong with one key that all clients share, as NVFlare's homomorphic aggregation has it.

There the server adds CKKS ciphertexts that every client can decrypt: one client and the server
together read everybody's update. The same two learn nothing here.
"""

import numpy as np
import pytest
from tests.aggregation.encrypted.loot import Loot
from tests.aggregation.support import Federation, plan_of

from confide.aggregation import decode
from confide.plan import Encrypted

tenseal = pytest.importorskip("tenseal", reason="TenSEAL plays the other side")

VICTIM, COLLUDER = "p000", "p003"


@pytest.fixture
def federation():
    return Federation(plan_of(7, dropouts=2, size=64, aggregation=Encrypted()))


def test_one_client_and_the_server_open_everything_under_a_key_that_all_share(federation):
    clients = tenseal.context(tenseal.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[60, 40, 40])
    clients.global_scale = 2**40
    public = clients.copy()
    public.make_context_public()
    server = {}
    for name, integers in federation.contributions.items():
        update = decode(federation.plan.sums, integers)["vector"]
        server[name] = tenseal.ckks_vector(clients, update).serialize()
    # The server alone reads nothing, and adds:
    with pytest.raises(ValueError, match="secret_key"):
        tenseal.ckks_vector_from(public, server[VICTIM]).decrypt()
    # One client, with what the server has of another:
    stolen = tenseal.ckks_vector_from(clients, server[VICTIM]).decrypt()
    expected = decode(federation.plan.sums, federation.contributions[VICTIM])["vector"]
    assert np.allclose(stolen, expected, atol=1e-4)


def test_one_party_and_the_coordinator_open_nothing_here(federation):
    attempt = federation.attempt().until("consent")
    loot = Loot(attempt).corrupt([COLLUDER])
    attempt.finish()
    loot.take_opened()
    expected = federation.contributions[VICTIM].tolist()
    assert loot.key_of(VICTIM) is None
    for key in (loot.sum_of_keys(), loot.shares[0][3], loot.sums[3]):
        assert loot.read(VICTIM, key) != expected
