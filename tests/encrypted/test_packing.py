"""Sums over slots, many in one ciphertext."""

import numpy as np
import pytest

from confide import he
from confide.encrypted.packing import Grouping, Packer, opened_sums
from confide.errors import EncryptionError
from confide.he.engine import NativeEngine
from confide.he.evaluator import Evaluator

DEGREE, SLOTS = 4096, 2048


@pytest.fixture(scope="module")
def secret():
    literal = he.Literal(
        scheme=he.Scheme.CKKS, degree=DEGREE, depth=1, level_bits=24, base_bits=(32,),
        special_bits=(40,),
    )  # fmt: skip
    return he.SecretKey(he.Context(literal.checked()))


def _packed(secret, grouping, lines, by):
    keys = secret.evaluation_keys_of({0: 1, **grouping.needs()})
    evaluator = Evaluator(NativeEngine(keys))
    packer, factor = Packer(evaluator, grouping), secret.encrypt(by)
    found: list[he.Ciphertext] = []
    for line in lines:
        found += packer.add(packer.ready(evaluator.dot([secret.encrypt(line)], [factor])))
    return [*found, *packer.last()]


@pytest.mark.parametrize(
    ("groups", "count", "expected", "packed"),
    [(1, 1, 1, 1), (1, 5, 8, 1), (1, 3, 2, 2), (8, 9, 8, 2), (64, 40, 1024, 2), (64, 32, 1024, 1)],
)
def test_sums_are_those_of_the_groups(secret, groups, count, expected, packed):
    random = np.random.default_rng(count)
    lines, by = random.uniform(-1, 1, (2, count, SLOTS)), random.uniform(-1, 1, SLOTS)
    lines = lines[0] + 1j * lines[1]
    grouping = Grouping(degree=DEGREE, groups=groups, expected=expected)

    found = _packed(secret, grouping, lines, by)
    sums = opened_sums(secret, found, grouping, count)

    assert len(found) == packed
    wanted = (lines * by).reshape(count, -1, groups).sum(axis=1)
    assert sums.shape == (count, groups)
    assert np.abs(sums - wanted).max() < 0.05  # a scale of 24 bits


def test_a_missing_or_foreign_ciphertext_of_sums_is_refused(secret):
    grouping = Grouping(degree=DEGREE, groups=1, expected=2)
    found = _packed(secret, grouping, np.ones((2, SLOTS)), np.ones(SLOTS))

    with pytest.raises(EncryptionError, match="1 ciphertexts of sums, where 3 sums"):
        opened_sums(secret, found, grouping, 3)
    with pytest.raises(EncryptionError, match="at level 0"):
        opened_sums(secret, [secret.encrypt([1.0], level=1)], grouping, 2)
    with pytest.raises(EncryptionError, match="under key"):
        opened_sums(he.SecretKey(secret.context), found, grouping, 2)


def test_each_merger_has_a_key_of_its_own_and_no_more():
    grouping = Grouping(degree=16384, groups=64, expected=16)

    assert grouping.packed == 16
    assert len(set(grouping.powers())) == 4
    assert all(power % 2 for power in grouping.powers())
