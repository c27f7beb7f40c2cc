"""DESILO's engine on one thread: a non-commercial licence, measured and nothing else."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import desilofhe
import numpy as np


def main() -> None:
    """Prints the medians of each operation in one line of JSON."""
    given = json.loads(sys.argv[1])
    engine = desilofhe.Engine(max_level=given["primes"] - 2, thread_count=1)
    secret = engine.create_secret_key()
    public = engine.create_public_key(secret)
    products = engine.create_relinearization_key(secret)
    rotation = engine.create_fixed_rotation_key(secret, 1)
    if 2 * engine.slot_count != given["degree"]:
        raise SystemExit(f"a ring of degree {2 * engine.slot_count}, not {given['degree']}")
    numbers = np.random.default_rng(0).uniform(-1, 1, engine.slot_count)
    plain, x = engine.encode(numbers), engine.encrypt(numbers, public)
    operations: dict[str, Callable[[], object]] = {
        "encode": lambda: engine.encode(numbers),
        "encode and encrypt": lambda: engine.encrypt(numbers, public),
        "decrypt and decode": lambda: engine.decrypt(x, secret),
        "add": lambda: engine.add(x, x),
        "multiply by plaintext": lambda: engine.multiply(x, plain),
        "multiply": lambda: engine.multiply(x, x),
        "multiply and relinearise": lambda: engine.multiply(x, x, products),
        "rotate": lambda: engine.rotate(x, rotation),
    }
    measured = {}
    for name, operation in operations.items():
        times = []
        for _ in range(given["repeats"] + 1):
            start = time.perf_counter()
            operation()
            times.append(time.perf_counter() - start)
        measured[f"{name}_s"] = statistics.median(times[1:])
    print(json.dumps({"measured": measured, "versions": {"desilofhe": version("desilofhe")}}))


main()
