"""Attacks that recover people and bits, beside the numbers that the literature gives."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from confide.audit import (
    Statistic,
    attack_noise,
    plot_recovery,
    reconstruct_bits,
    reconstruct_people,
)
from confide.errors import ConfideError, DataError
from confide.randomness import public_generator

AIRCLOAK = Path(__file__).parent / "aircloak"

ATTRIBUTES = {"sex": "FM", "race": "BW", "married": "SM"}

BLOCK = [
    Statistic(count=7, median=30, mean=38),
    Statistic(where={"sex": "F"}, count=4, median=30, mean=33.5),
    Statistic(where={"sex": "M"}, count=3, median=30, mean=44),
    Statistic(where={"race": "B"}, count=4, median=51, mean=48.5),
    Statistic(where={"race": "W"}, count=3, median=24, mean=24),
    Statistic(where={"married": "M"}, count=4, median=51, mean=54),
    Statistic(where={"race": "B", "sex": "F"}, count=3, median=36, mean=36.7),
    # Suppressed, because they are below 3.
    Statistic(where={"race": "B", "sex": "M"}, most=2),
    Statistic(where={"race": "W", "sex": "M"}, most=2),
    Statistic(where={"race": "W", "sex": "F"}, most=2),
    Statistic(where={"married": "S", "age": (15, 115)}, most=2),
    Statistic(where={"age": (0, 4)}, most=2),
    Statistic(where={"age": (0, 17)}, most=2),
    Statistic(where={"age": (64, 115)}, most=2),
]
"""Garfinkel, Abowd and Martindale 2019, Table 1: a block of seven, made up by them."""

CHILDREN_ARE_SINGLE = [{"married": "M", "age": (0, 14)}]


def written(people):
    return " ".join(f"{p['age']}{p['race']}{p['sex']}{p['married']}" for p in people)


class TestBlock:
    def test_seven_people_are_the_only_ones(self):
        """Their Table 5: 8BFS 18WMS 24WFS 30WMM 36BFM 66BFM 84BMM."""
        pytest.importorskip("ortools")
        found = reconstruct_people(ATTRIBUTES, BLOCK, impossible=CHILDREN_ARE_SINGLE)
        assert [written(people) for people in found] == ["8BFS 18WMS 24WFS 30WMM 36BFM 66BFM 84BMM"]

    def test_without_one_statistic_others_are_possible(self):
        pytest.importorskip("ortools")
        fewer = [s for s in BLOCK if s.where != {"race": "B", "sex": "F"}]
        found = reconstruct_people(ATTRIBUTES, fewer, impossible=CHILDREN_ARE_SINGLE)
        assert len(found) == 2
        for people in found:
            women = [p["age"] for p in people if p["sex"] == "F"]
            assert np.mean(women) == pytest.approx(33.5, abs=0.05)
            assert np.median([p["age"] for p in people]) == 30

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            (Statistic(where={"sex": "F"}, count=5), "contradict each other"),
            (Statistic(where={"sex": "X"}, count=1), "a group of sex"),
            (Statistic(where={"sex": "F"}, mean=3.0), "without its count"),
        ],
    )
    def test_bad_statistics_are_an_error(self, more, message):
        pytest.importorskip("ortools")
        with pytest.raises(DataError, match=message):
            reconstruct_people(ATTRIBUTES, [*BLOCK, more], impossible=CHILDREN_ARE_SINGLE)

    def test_the_number_of_people_is_needed(self):
        with pytest.raises(DataError, match="number of all people"):
            reconstruct_people(ATTRIBUTES, BLOCK[1:])


class TestBits:
    def test_little_noise_recovers_everybody_and_much_noise_fewer(self):
        """n = 96; at 0.1·√n all, at 1.0·√n about two thirds, at 4·√n hardly more than a coin."""
        found = attack_noise(96, [0.1, 1.0, 4.0])
        shares = [recovery.recovered for recovery in found]
        assert shares[0] == 1.0
        assert 0.55 < shares[1] < 0.9
        assert shares[2] < shares[1]
        axes = plot_recovery(found)
        assert axes.get_ylabel() == "bits recovered, %"

    def test_any_bits_within_the_bound_are_a_weaker_attack(self):
        (weaker,) = attack_noise(96, [1.0], loss="any")
        (stronger,) = attack_noise(96, [1.0])
        assert 0.5 < weaker.recovered < stronger.recovered
        with pytest.raises(DataError, match="a bound belongs to"):
            reconstruct_bits(np.ones((3, 2)), np.ones(3), loss="any")
        with pytest.raises(DataError, match="no bits answer within"):
            reconstruct_bits(np.ones((3, 2)), np.full(3, 9.0), loss="any", bound=1.0)

    def test_real_answers_give_every_status_away_until_the_noise_is_five_times_as_much(self):
        """1,500 answers that Aircloak's system gave about 73 clients (Cohen and Nissim 2020).

        From the authors' data, MIT licence, beside the files. The system's noise has a standard
        deviation of about 3.6; with 20 more, guesses are hardly better than the base rate of 66 %.
        """
        asked = pd.read_csv(AIRCLOAK / "answers.csv")
        clients = pd.read_csv(AIRCLOAK / "clients.csv")
        scaled = asked.offset.to_numpy()[:, None] * (
            clients.client.to_numpy(float) * asked["mult"].to_numpy()[:, None]
        ) ** asked.power.to_numpy()[:, None]  # fmt: skip
        queries = np.floor(scaled + 0.5) == np.floor(scaled)
        found = reconstruct_bits(queries, asked.answer, loss="total")
        assert (found == clients.status).all()
        noise = public_generator("more noise").normal(0, 20, len(asked))
        found = reconstruct_bits(queries, asked.answer + noise, loss="total")
        assert (found == clients.status).mean() < 0.8

    def test_sparse_queries_and_total_loss(self):
        generator = public_generator("bits")
        bits = generator.integers(0, 2, 60)
        queries = generator.random((240, 60)) < 0.3
        answers = queries @ bits + generator.normal(0, 0.3, 240)
        answers[:8] += 25  # a few that are far off
        found = reconstruct_bits(sparse.csr_array(queries.astype(float)), answers, loss="total")
        assert (found == bits).all()
        assert (reconstruct_bits(queries, answers) != bits).any()

    @pytest.mark.parametrize(
        ("queries", "answers", "loss"),
        [
            (np.ones((3, 2)), np.ones(2), "largest"),
            (np.ones((3, 2)), [1, np.nan, 2], "largest"),
            (np.ones((3, 2)), np.ones(3), "least"),
            (np.ones((0, 2)), np.ones(0), "largest"),
        ],
    )
    def test_bad_input_is_an_error(self, queries, answers, loss):
        with pytest.raises(DataError):
            reconstruct_bits(queries, answers, loss=loss)

    @pytest.mark.parametrize("bad", [{"people": 0}, {"noises": [-1.0]}, {"queries": 1.5}])
    def test_attacks_check_their_numbers(self, bad):
        with pytest.raises(ConfideError, match="it is a"):
            attack_noise(**{"people": 8, "noises": [0.1], **bad})
