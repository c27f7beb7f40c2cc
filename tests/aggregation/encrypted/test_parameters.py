"""Modulus and packing: the largest errors fit, and nothing smaller would do."""

import itertools

import numpy as np
import pytest
from tests.aggregation.support import STATE, Federation, plan_of

from confide.aggregation import Round, coordinator_session
from confide.aggregation.encrypted import parameters as module
from confide.aggregation.encrypted.gaussian import LARGEST
from confide.aggregation.encrypted.packing import Packing
from confide.aggregation.encrypted.parameters import (
    DEGREE,
    ROW,
    SumParameters,
    _modulus,
    parameters_of,
)
from confide.errors import EncryptionError, ProtocolError
from confide.he import kernel, primes, security
from confide.he.security import MOST_BITS
from confide.plan import Encrypted, Sum, SumGroup, Unit


def sums_of(*declared):
    """Sums of sizes and bits of a party's range."""
    return SumGroup(
        tuple(
            Sum(name=f"s{i}", shape=(size,), unit=Unit.RECORD, unit_bound=1.0, capacity=1 << bits)
            for i, (size, bits) in enumerate(declared)
        )
    )


PLANS = [
    plan_of(n, sums=sums_of(*declared), dropouts=0, aggregation=Encrypted())
    for n, declared in itertools.product(
        (3, 4, 10, 64, 73, 128),
        ([(1, 0)], [(1000, 3)], [(9000, 12)], [(70, 20), (5000, 2), (1, 30)]),
    )
]
every_plan = pytest.mark.parametrize("plan", PLANS, ids=lambda p: f"{len(p.parties)}-{p.sums.size}")


@every_plan
def test_the_largest_errors_and_numbers_of_all_parties_stay_below_half_the_modulus(plan):
    parameters, n = parameters_of(plan), len(plan.parties)
    t = 1 << parameters.packing.bits
    assert n * (t * LARGEST + t // 2) < parameters.modulus // 2


@every_plan
def test_the_modulus_is_a_prime_of_the_ring_that_the_security_table_allows(plan):
    q = parameters_of(plan).modulus
    assert primes.is_prime(q)
    assert q % (2 * DEGREE) == 1
    assert q.bit_length() <= primes.MOST_BITS < MOST_BITS[DEGREE]


@every_plan
def test_no_other_packing_takes_fewer_bytes(plan):
    parameters = parameters_of(plan)
    for bits in range(len(plan.parties).bit_length() + 1, 40):
        packing = Packing(parameters.packing.layout, len(plan.parties), bits)
        if (len(plan.parties) * (2 * LARGEST + 1)) << bits < 1 << primes.MOST_BITS - 1:
            other = SumParameters(packing, _modulus(packing))
            assert parameters.vector_bytes <= other.vector_bytes


def test_the_worst_case_decrypts():
    """Ciphertexts of which every error is the largest there is, for a key that is nothing."""
    plan = PLANS[9]
    parameters, n = parameters_of(plan), len(plan.parties)
    t, q = 1 << parameters.packing.bits, parameters.modulus
    for error, number in itertools.product((LARGEST, -LARGEST), (t // 2 - 1, -(t // 2))):
        total = np.full((1, 1, DEGREE), n * (t * error + number) % q, np.uint64)
        found = np.empty(DEGREE, np.int64)
        parameters.ring.to_residues(found, total, ROW, t)
        assert (found % t == n * number % t).all()


def test_a_million_numbers_of_32_bits_from_ten_parties_take_43_bits_each():
    """And all that a party sends less than 7 MB."""
    plan = plan_of(10, sums=sums_of((1_000_000, 10)), aggregation=Encrypted())
    assert plan.sum_bits(plan.sums.sums[0]) == 32
    parameters = parameters_of(plan)
    assert parameters.modulus.bit_length() == 43
    assert parameters.vector_bytes + 10 * parameters.polynomial_bytes < 7e6


class TestBytes:
    parameters = parameters_of(PLANS[0])

    def test_come_back(self):
        rng = np.random.default_rng(0)
        numbers = rng.integers(0, self.parameters.modulus, (3, 1, DEGREE)).astype(np.uint64)
        data = self.parameters.to_bytes(numbers)
        assert len(data) == 3 * self.parameters.polynomial_bytes
        assert np.array_equal(self.parameters.from_bytes(data, 3), numbers)

    def test_of_another_length_are_refused(self):
        with pytest.raises(ProtocolError, match="where 2 polynomials"):
            self.parameters.from_bytes(bytes(self.parameters.polynomial_bytes), 2)

    def test_of_no_residue_are_refused(self):
        with pytest.raises(ProtocolError, match="not a residue"):
            self.parameters.from_bytes(b"\xff" * self.parameters.polynomial_bytes, 1)


class TestWithoutTheKernels:
    @pytest.fixture
    def missing(self, monkeypatch):
        def make_ring(*_args, **_options):
            raise EncryptionError("encryption needs the compiled kernels")

        module._ring.cache_clear()
        monkeypatch.setattr(kernel, "make_ring", make_ring)
        return monkeypatch

    def test_a_party_says_so_before_it_claims_the_attempt(self, missing):
        federation = Federation(PLANS[0])
        with pytest.raises(EncryptionError, match="compiled kernels"):
            federation.party("p000", Round(PLANS[0], 0, 0))
        missing.undo()
        assert federation.attempt().finish().survivors == tuple(federation.names)

    def test_a_coordinator_says_so_before_it_asks_anybody(self, missing):
        with pytest.raises(EncryptionError, match="compiled kernels"):
            coordinator_session(Round(PLANS[0], 0, 0), STATE, ("p000", "p001", "p002"))


def test_a_modulus_beyond_the_security_table_is_refused(monkeypatch):
    monkeypatch.setitem(security.MOST_BITS, DEGREE, 16)
    parameters_of.cache_clear()
    with pytest.raises(EncryptionError, match="security allows 16"):
        parameters_of(PLANS[0])
