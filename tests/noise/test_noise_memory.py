"""Memory beside the answer stays the same however long the answer is."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from tests.noise.laws import BACKENDS, KINDS

from confide.noise import Backend, DiscreteGaussian, DiscreteLaplace
from confide.randomness import SystemRandom

MEBIBYTE = 2**20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1, 2**40])
def test_the_reference_works_in_blocks(kind, scale):
    noise = kind(scale)
    noise.sample(1, SystemRandom())
    tracemalloc.start()
    try:
        size = 2_000_000
        noise.sample(size, SystemRandom(), backend=Backend.REFERENCE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - size * np.dtype(np.int64).itemsize < 2 * MEBIBYTE


SCRIPT = """
import sys
from pathlib import Path
from confide.noise import Backend, {kind}
from confide.randomness import SystemRandom

def peak_kib():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])

noise, using = {kind}(2**40), Backend({backend!r})
noise.sample(100_000, SystemRandom(), backend=using)
before = peak_kib()
noise.sample(5_000_000, SystemRandom(), backend=using)
print(peak_kib() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", [DiscreteGaussian, DiscreteLaplace])
def test_a_process_grows_by_its_answer(kind, backend):
    script = SCRIPT.format(kind=kind.__name__, backend=backend.value)
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert int(run.stdout) * 1024 < 8 * 5_000_000 + 4 * MEBIBYTE
