"""HElayers over SEAL on one thread: a non-commercial licence, measured and nothing else.

Its operations work in place, so each time is that of a copy and the operation, less the copy's.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pyhelayers


def main() -> None:
    """Prints the medians of each operation in one line of JSON."""
    given = json.loads(sys.argv[1])
    context = pyhelayers.SealCkksContext()
    needs = pyhelayers.HeConfigRequirement(given["degree"] // 2, given["primes"] - 2, 46, 10, 128)
    needs.public_functions.rotate = pyhelayers.RotationSetType.CUSTOM_ROTATIONS
    needs.public_functions.set_rotation_steps([1])
    context.init(needs)
    encoder = pyhelayers.Encoder(context)
    numbers = np.random.default_rng(0).uniform(-1, 1, context.slot_count())
    plain, x = encoder.encode(numbers), encoder.encode_encrypt(numbers)

    def median(operation: Callable[[], object]) -> float:
        times = []
        for _ in range(given["repeats"] + 1):
            start = time.perf_counter()
            operation()
            times.append(time.perf_counter() - start)
        return statistics.median(times[1:])

    copying = median(lambda: pyhelayers.CTile(x))

    def net(*steps: Callable[[Any], object]) -> float:
        def run() -> None:
            copy = pyhelayers.CTile(x)
            for step in steps:
                step(copy)

        return median(run) - copying

    measured = {
        "encode_s": median(lambda: encoder.encode(numbers)),
        "encode and encrypt_s": median(lambda: encoder.encode_encrypt(numbers)),
        "decrypt and decode_s": median(lambda: encoder.decrypt_decode_double(x)),
        "add_s": net(lambda c: c.add_raw(x)),
        "multiply by plaintext_s": net(lambda c: c.multiply_plain_raw(plain)),
        "multiply_s": net(lambda c: c.multiply_raw(x)),
        "multiply and relinearise_s": net(lambda c: c.multiply_raw(x), lambda c: c.relinearize()),
        "rotate_s": net(lambda c: c.rotate(1)),
    }
    print(json.dumps({"measured": measured, "versions": {"pyhelayers": version("pyhelayers")}}))


main()
