"""Partitioners: every row at one client at most, and skew as the papers define it."""

import gzip
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.learning.algorithms.plain import PROTECTIONS

import confide as cf
from confide.errors import DataError, PlanError
from confide.learning import ClientData, partition, read_images

LABELS = np.repeat(np.arange(10), 60)
SOURCE = {"x": np.arange(600.0), "y": LABELS}

DEALS = {
    "iid": lambda seed=0: partition.iid(SOURCE, 12, seed=seed),
    "labels": lambda seed=0: partition.dirichlet_labels(
        SOURCE, 12, label="y", alpha=0.3, seed=seed
    ),
    "sizes": lambda seed=0: partition.dirichlet_sizes(SOURCE, 12, alpha=0.5, seed=seed),
    "shards": lambda seed=0: partition.shards(SOURCE, 12, label="y", seed=seed),
}


@pytest.mark.parametrize("deal", DEALS.values(), ids=list(DEALS))
class TestEvery:
    def test_row_is_at_one_client(self, deal):
        rows = np.concatenate(list(deal().rows.values()))
        assert sorted(rows) == list(range(600))

    def test_deal_is_that_of_its_seed(self, deal):
        one, again, other = deal(1), deal(1), deal(2)
        assert all(np.array_equal(one.rows[c], again.rows[c]) for c in one.client_ids)
        assert any(not np.array_equal(one.rows[c], other.rows[c]) for c in one.client_ids)

    def test_client_has_a_row_of_its_own_columns(self, deal):
        found = deal()
        assert min(found.sizes.values()) >= 1
        client = found.client("client-003")
        assert np.array_equal(client["y"], LABELS[client["x"].astype(int)])


class TestSkew:
    def test_of_iid_is_none(self):
        assert set(DEALS["iid"]().sizes.values()) == {50}

    @pytest.mark.parametrize(("alpha", "low", "high"), [(0.1, 0, 3.5), (1000.0, 9.9, 10)])
    def test_of_labels_grows_as_alpha_falls(self, alpha, low, high):
        """Classes that make up a client: the exponential of their entropy."""
        found = partition.dirichlet_labels(SOURCE, 12, label="y", alpha=alpha)
        shares = found.counts("y") / found.counts("y").sum(axis=1, keepdims=True)
        entropy = -np.sum(shares * np.log(np.maximum(shares, 1e-300)), axis=1)
        assert low <= np.exp(entropy).mean() <= high

    def test_of_sizes_leaves_labels_alike(self):
        found = partition.dirichlet_sizes(SOURCE, 3, alpha=0.5, seed=3)
        sizes = np.array(list(found.sizes.values()))
        assert sizes.max() > 2 * sizes.min()
        large = found.counts("y")[sizes.argmax()]
        assert large.min() > 0

    def test_of_shards_gives_few_classes(self):
        counts = DEALS["shards"]().counts("y")
        assert (counts > 0).sum(axis=1).max() <= 4
        assert (counts.sum(axis=1) == 50).all()

    def test_leaves_the_least_rows_that_are_asked_for(self):
        found = partition.dirichlet_labels(SOURCE, 12, label="y", alpha=0.3, least_rows=20)
        assert min(found.sizes.values()) >= 20

    def test_that_cannot_be_is_refused(self):
        with pytest.raises(DataError, match=r"no deal of 1000 with alpha = 0\.01 gives every"):
            partition.dirichlet_sizes(SOURCE, 100, alpha=0.01)

    @given(st.integers(1, 9), st.integers(0, 9))
    def test_of_natural_clients_is_the_column(self, clients, seed):
        owner = np.random.default_rng(seed).integers(0, clients, 30)
        found = partition.by_column({"who": owner, "x": np.arange(30)}, "who")
        for name in found.client_ids:
            client = found.client(name)
            assert set(client) == {"x"}
            assert (owner[client["x"]] == int(name)).all()


class TestSynthetic:
    def test_has_models_and_data_that_differ_as_alpha_and_beta_say(self):
        alike, differ = (partition.synthetic(20, alpha=a, beta=a, most_rows=60) for a in (0.0, 5.0))

        def spread(found):
            return np.std([found.client(c)["x"].mean() for c in found.client_ids])

        assert spread(differ) > 5 * spread(alike)
        assert differ.client("client-000")["x"].shape[1] == 60
        assert set(np.unique(differ.columns["y"])) <= set(range(10))

    def test_sizes_are_heavy_tailed(self):
        sizes = np.array(list(partition.synthetic(100, alpha=0, beta=0).sizes.values()))
        assert sizes.min() >= 50
        assert sizes.max() > 10 * np.median(sizes)

    def test_variances_of_features_fall(self):
        x = partition.synthetic(1, alpha=0, beta=0, seed=4).client("client-000")["x"]
        deviations = x.std(axis=0)
        assert deviations[0] == pytest.approx(1, abs=0.2)
        assert deviations[31] == pytest.approx(32**-0.6, rel=0.3)


class TestClientData:
    def test_goes_into_a_simulation_as_it_is(self):
        from confide.learning import GeneralisedLinearModel, Table, fed_avg
        from confide.learning.models.families import Poisson

        data = partition.iid({"x": np.linspace(0, 1, 40), "y": np.ones(40)}, 4)
        model = GeneralisedLinearModel(family=Poisson(), n_features=1)
        training = fed_avg(
            model, Table(features=("x",), label="y"), weight_cap=10, clip_norm_l2=1.0
        )
        plan = training.plan(parties=data.client_ids, **PROTECTIONS["clear"])
        assert cf.simulate(plan, data.data()).rounds[0]["survivors"] == 4

    def test_refuses_clients_and_columns_that_are_not_there(self):
        with pytest.raises(DataError, match="no client 'client-12'; did you mean"):
            DEALS["iid"]().client("client-12")
        with pytest.raises(DataError, match="no column 'z'"):
            DEALS["iid"]().counts("z")

    def test_refuses_a_row_at_two_clients(self):
        with pytest.raises(DataError, match="one row is at two clients"):
            ClientData({"x": np.arange(3)}, {"a": np.array([0, 1]), "b": np.array([1])})
        with pytest.raises(DataError, match="has row 3 of 3"):
            ClientData({"x": np.arange(3)}, {"a": np.array([3])})

    def test_is_drawn_with_a_bar_for_each_client(self):
        figure = DEALS["labels"]().plot("y")
        (axes,) = figure.axes
        assert len(axes.patches) == 12 * 10
        legend = axes.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == list("0123456789")

    def test_loads_matplotlib_only_to_draw(self):
        script = (
            "import sys, numpy; from confide.learning import partition; "
            "partition.iid({'x': numpy.arange(4)}, 2); print('matplotlib' in sys.modules)"
        )
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)  # noqa: PLW1510
        assert ran.stdout.split() == ["False"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: partition.iid(SOURCE, 0), "0 clients for 600 rows"),
        (lambda: partition.iid(SOURCE, 601), "601 clients for 600 rows"),
        (lambda: partition.iid({"x": [1, 2], "y": [1]}, 1), "columns of 1, 2 rows"),
        (lambda: partition.iid({}, 1), "columns of no rows"),
        (lambda: partition.dirichlet_labels(SOURCE, 2, label="z", alpha=1), "no column 'z'"),
        (lambda: partition.dirichlet_labels(SOURCE, 2, label="y", alpha=0), "alpha is 0"),
        (lambda: partition.shards(SOURCE, 400, label="y"), "800 shards of 600 rows"),
        (lambda: partition.by_column(SOURCE, "z"), "no column 'z'"),
        (lambda: partition.synthetic(3, alpha=-1, beta=0), "alpha -1"),
    ],
)
def test_bad_input_is_refused(call, said):
    with pytest.raises((DataError, PlanError), match=said):
        call()


PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
DIGITS = np.array([7, 1], np.uint8)


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.tobytes()


class TestImages:
    @pytest.mark.parametrize("form", ["idx", "gz", "npz", "keras", "flat"])
    def test_are_read_from_every_form(self, form, tmp_path):
        path = tmp_path
        if form in {"idx", "gz"}:
            for name, array in (
                ("train-images-idx3-ubyte", PIXELS), ("train-labels.idx1-ubyte", DIGITS),
            ):  # fmt: skip
                data = idx(array)
                file = tmp_path / (name + (".gz" if form == "gz" else ""))
                file.write_bytes(gzip.compress(data) if form == "gz" else data)
        else:
            path = tmp_path / "mnist.npz"
            names = ("x_train", "y_train") if form == "keras" else ("train_images", "train_labels")
            images = PIXELS.reshape(2, 9) if form == "flat" else PIXELS
            arrays: dict[str, Any] = dict(zip(names, (images, DIGITS), strict=True))
            np.savez(path, **arrays)
        found = read_images(path)
        assert np.array_equal(found["image"], PIXELS.astype(np.float32) / np.float32(255))
        assert found["label"].tolist() == [7, 1]
        assert found["label"].dtype == np.int64

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"", "is no idx file"),
            (idx(PIXELS)[:-1], "its length is not that of shape"),
            (idx(PIXELS)[:9], "is damaged"),
            (idx(PIXELS)[:4], "is damaged"),
            (b"\0\0\x0d\x01" + bytes(8), "no idx file of 8-bit numbers"),
        ],
    )
    def test_that_are_damaged_are_refused(self, data, said, tmp_path):
        (tmp_path / "train-images-idx3-ubyte").write_bytes(data)
        (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(DIGITS))
        with pytest.raises(DataError, match=said):
            read_images(tmp_path)

    def test_that_are_not_there_are_refused(self, tmp_path):
        with pytest.raises(DataError, match="no file train-images"):
            read_images(tmp_path)
        with pytest.raises(DataError, match="is no npz file"):
            read_images(tmp_path / "none.npz")
        np.savez(tmp_path / "other.npz", a=PIXELS)
        with pytest.raises(DataError, match="has the arrays a; it takes train_images and"):
            read_images(tmp_path / "other.npz")
        with pytest.raises(DataError, match="part 'valid'"):
            read_images(tmp_path, "valid")

    def test_of_objects_are_not_unpickled(self, tmp_path):
        np.savez(tmp_path / "odd.npz", train_images=np.array([{}]), train_labels=np.array([{}]))
        with pytest.raises(DataError, match="is no npz file of arrays"):
            read_images(tmp_path / "odd.npz")
