"""The compiled kernel: the reference's samples, its own arguments' checks, and its packaging."""

import os
import threading
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.noise.laws import KINDS

from confide import __version__
from confide.noise import Backend, DiscreteGaussian, DiscreteLaplace, backend
from confide.noise.table import table_of
from confide.randomness import InsecureReplayableRandom, SystemRandom

ROOT = Path(__file__).parents[2]
INSTALLED = backend() is Backend.KERNEL
needs_kernel = pytest.mark.skipif(not INSTALLED, reason="confide-native is not installed")


def test_is_there_where_it_is_required():
    assert INSTALLED or os.environ.get("NATIVE") != "required"


def test_has_the_version_of_confide():
    project = tomllib.loads((ROOT / "native/pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == __version__


@needs_kernel
@given(
    kind=st.sampled_from(KINDS),
    scale=st.one_of(st.floats(0.1, 100), st.floats(0.1, 2**40), st.fractions(1, 50)),
    bound=st.one_of(st.none(), st.integers(1, 100), st.integers(1, 2**61)),
    size=st.integers(0, 3000),
    seed=st.binary(max_size=4),
)
def test_draws_what_the_reference_draws(kind, scale, bound, size, seed):
    scale = min(scale, 2**40)
    noise = kind(scale, bound)
    one, other = (
        noise.sample(size, InsecureReplayableRandom(seed), backend=which) for which in Backend
    )
    assert np.array_equal(one, other)


@needs_kernel
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1, 1000, 2**40])
def test_draws_what_the_reference_draws_block_after_block(kind, scale):
    one, other = (
        kind(scale).sample(300_000, InsecureReplayableRandom(b"long"), backend=which)
        for which in Backend
    )
    assert np.array_equal(one, other)


def _arguments(size=10, **changed):
    law = DiscreteGaussian(100).law
    words = InsecureReplayableRandom(b"words")
    out = changed.pop("out", np.empty(size, np.int64))
    return out, {
        "floors": table_of(law).floors,
        "shift": law.shift,
        "bound": law.bound,
        "quadratic": float(law.quadratic),
        "linear": float(law.linear),
        "refill": lambda count: words.bytes(8 * count),
        "cell": lambda word: 0,
        "keeps": lambda x, word: True,
    } | changed


READ_ONLY = np.zeros(4, np.int64)
READ_ONLY.flags.writeable = False


@needs_kernel
class TestBadArguments:
    @pytest.fixture
    def fill(self):
        return pytest.importorskip("confide_native").fill

    @pytest.mark.parametrize(
        "changed",
        [
            {"shift": -1}, {"shift": 37}, {"bound": 0}, {"bound": -1}, {"bound": 2**61 + 1},
            {"quadratic": -1.0}, {"quadratic": np.nan}, {"linear": np.inf},
            {"floors": np.zeros(0, np.uint64)}, {"floors": np.array([2, 1], np.uint64)},
            {"floors": np.arange(32_001, dtype=np.uint64)},
            {"refill": lambda count: b""}, {"refill": lambda count: bytes(8 * count + 8)},
            {"refill": lambda count: bytes(8 * count - 1)}, {"refill": lambda count: None},
            {"refill": lambda count: bytearray(8 * count)},
        ],
    )  # fmt: skip
    def test_out_of_range(self, fill, changed):
        out, named = _arguments(**changed)
        with pytest.raises(ValueError, match=r"lies|is finite|floors|refill"):
            fill(out, **named)

    @pytest.mark.parametrize(
        "changed",
        [
            {"out": np.empty(4, np.int32)}, {"out": np.empty((2, 2), np.int64)},
            {"out": np.empty(8, np.int64)[::2]}, {"out": READ_ONLY}, {"out": [1, 2]},
            {"floors": np.arange(4)}, {"floors": [1, 2]}, {"refill": None}, {"shift": 2**40},
            {"bound": 2**64}, {"quadratic": "1"}, {"extra": 1},
        ],
    )  # fmt: skip
    def test_of_the_wrong_type(self, fill, changed):
        out, named = _arguments(**changed)
        with pytest.raises(TypeError):
            fill(out, **named)

    def test_names_are_required(self, fill):
        out, named = _arguments()
        with pytest.raises(TypeError):
            fill(out, *named.values())

    @pytest.mark.parametrize("cell", [lambda word: 2**61, lambda word: -(2**60)])
    def test_a_cell_from_nowhere(self, fill, cell):
        out, named = _arguments(refill=lambda count: b"\xff" * (8 * count), cell=cell)
        with pytest.raises(ValueError, match=r"beyond 2\^61"):
            fill(out, **named)

    @pytest.mark.parametrize("name", ["refill", "cell", "keeps"])
    def test_an_error_in_a_callback_passes_through(self, fill, name):
        def broken(*_):
            raise ZeroDivisionError("on purpose")

        # An end of a cell, and then a proposal too far out to be decided here.
        out, named = _arguments(refill=lambda count: b"\xff" * (8 * count), cell=lambda word: 10**6)
        with pytest.raises(ZeroDivisionError, match="on purpose"):
            fill(out, **named | {name: broken})

    @pytest.mark.parametrize("name", ["cell", "keeps"])
    def test_an_answer_of_the_wrong_type(self, fill, name):
        out, named = _arguments(refill=lambda count: b"\xff" * (8 * count), cell=lambda word: 10**6)
        with pytest.raises((TypeError, RuntimeError, ValueError)):
            fill(out, **named | {name: lambda *_: "?"})


@needs_kernel
def test_threads_draw_side_by_side():
    drawn = {}

    def draw(name):
        noise = DiscreteLaplace(2**40)
        drawn[name] = noise.sample(100_000, SystemRandom(), backend=Backend.KERNEL)

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = np.concatenate(list(drawn.values()))
    # Collisions of independent samples: n²/2 · 2^-42 of them, 0.02; a shared stream has 10^5.
    assert len(everything) - len(np.unique(everything)) < 100
