import math

import pytest

from confide.errors import PlanError
from confide.plan import (
    CentralNoise,
    Clear,
    Encrypted,
    Masked,
    NoiseShares,
    NoNoise,
    Recipients,
    Release,
)


@pytest.mark.parametrize("noise", [CentralNoise, NoiseShares])
class TestNoise:
    @pytest.mark.parametrize("multiplier", [0.0, -1.0, math.nan, math.inf, -math.inf])
    def test_needs_a_positive_finite_multiplier(self, noise, multiplier):
        with pytest.raises(PlanError, match=f"noise_multiplier is {multiplier}; it is a positive"):
            noise(multiplier)

    def test_has_no_default(self, noise):
        with pytest.raises(TypeError, match="noise_multiplier"):
            noise()

    def test_at_one_place_is_not_noise_at_another(self, noise):
        assert noise(1.0) == noise(1.0)
        others = {NoNoise(), CentralNoise(1.0), NoiseShares(1.0)} - {noise(1.0)}
        assert len(others) == 2


def test_protections_are_values():
    assert len({Clear(), Clear(), Masked(), Masked(), Encrypted(), Encrypted()}) == 3


def test_sums_go_to_everyone_unless_said_otherwise():
    assert Release().to is Recipients.EVERYONE
