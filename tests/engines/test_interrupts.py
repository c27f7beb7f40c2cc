"""Ctrl-C at any point of a run ends it: no interrupt is lost, and a checkpoint is whole.

The child sends itself SIGINT at the n-th step of its own work, counted by a profile hook, so that
nothing here depends on time.
"""

import subprocess
import sys
from pathlib import Path

CHILD = """
import os, signal, sys
from pathlib import Path
import numpy as np
from confide.computation import Computation
from confide.engines import simulate
from confide.plan import Masked, Sum, SumGroup, Task, Unit

total = SumGroup((Sum(name="total", unit=Unit.PARTY, unit_bound=100, capacity=1),))
sales = Computation(task=Task.of("sales"), sums=total, columns=("sold",),
                    init=lambda: {"rounds": np.zeros(1)},
                    contribute=lambda state, data, rng: {"total": data["sold"].sum()},
                    update=lambda state, totals: {"rounds": state["rounds"] + 1})
data = {party: {"sold": [1, 2]} for party in ("ash", "birch", "cedar", "dogwood")}
plan = sales.plan(parties=list(data), rounds=3, aggregation=Masked())
at, checkpoint = int(sys.argv[1]), sys.argv[2]
calls = 0

def count(frame, event, argument):
    global calls
    calls += 1
    if calls == at:
        os.kill(os.getpid(), signal.SIGINT)

unraisable = []
sys.unraisablehook = unraisable.append
try:
    sys.setprofile(count)
    try:
        run = simulate(plan, data, computation=sales, checkpoint=Path(checkpoint))
    finally:
        sys.setprofile(None)
except KeyboardInterrupt:
    print("interrupted", len(unraisable))
else:
    print("ended", calls)
"""


def child(at: int, checkpoint: Path) -> str:
    code = [sys.executable, "-c", CHILD, str(at), str(checkpoint)]
    done = subprocess.run(code, capture_output=True, text=True, timeout=600, check=True)
    return done.stdout.strip()


def test_no_interrupt_is_lost_and_the_run_goes_on(tmp_path):
    whole = child(-1, tmp_path / "whole").split()
    assert whole[0] == "ended"
    steps = int(whole[1])
    for part in (0.05, 0.35, 0.65, 0.95):
        checkpoint = tmp_path / f"at{part}"
        assert child(int(steps * part), checkpoint) == "interrupted 0"
        assert child(-1, checkpoint).startswith("ended")
