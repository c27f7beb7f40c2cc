"""What others make of a table in one place: XGBoost, and diffprivlib's private models."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


def xgboost(given: Any, wanted: dict[str, Any]) -> Any:
    """Histogram trees; the settings are those of `confide.train("trees", …)`."""
    xgb: Any = import_module("xgboost")

    classes = wanted["classes"]
    goal = {0: "reg:squarederror", 2: "binary:logistic"}.get(classes, "multi:softprob")
    settings = {
        "objective": goal, "max_depth": 3, "eta": 0.3, "max_bin": 32, "lambda": 1.0,
        "min_child_weight": 1.0, "tree_method": "hist", "nthread": 1,
    }  # fmt: skip
    if classes > 2:
        settings["num_class"] = classes
    options: dict[str, Any] = {"feature_types": wanted["types"], "enable_categorical": True}
    rows = xgb.QuantileDMatrix(given["x"], given["y"], max_bin=32, **options)
    made = xgb.train(settings, rows, num_boost_round=30)
    found = made.predict(xgb.DMatrix(given["held"], **options))
    return np.column_stack([1 - found, found]) if classes == 2 else found


def cox(given: Any, wanted: dict[str, Any]) -> Any:  # noqa: ARG001 - each method takes both
    """A linear model of Cox's partial likelihood; times below 0 are those without the event."""
    xgb: Any = import_module("xgboost")

    settings = {
        "objective": "survival:cox", "booster": "gblinear", "lambda": 0.0, "eta": 0.5, "nthread": 1,
        "base_score": 1.0,
    }  # fmt: skip
    made = xgb.train(settings, xgb.DMatrix(given["x"], given["y"]), num_boost_round=200)
    return made.predict(xgb.DMatrix(given["held"]), output_margin=True)


def logistic(given: Any, wanted: dict[str, Any]) -> Any:
    """The logistic regression of diffprivlib (pure ε); rows beyond the norm are scaled to it."""
    models: Any = import_module("diffprivlib.models")

    norm = wanted["norm"]

    def within(x: np.ndarray) -> Any:
        lengths = np.linalg.norm(x, axis=1, keepdims=True)
        return x * np.minimum(1, norm / np.maximum(lengths, 1e-12))

    made = models.LogisticRegression(epsilon=wanted["epsilon"], data_norm=norm, max_iter=1000)
    made.fit(within(given["x"]), given["y"])
    return made.predict_proba(within(given["held"]))


def forest(given: Any, wanted: dict[str, Any]) -> Any:
    """The random forest of diffprivlib (pure ε), the only trees that it has."""
    models: Any = import_module("diffprivlib.models")

    columns = given["x"].shape[1]
    made = models.RandomForestClassifier(
        n_estimators=wanted["trees"], epsilon=wanted["epsilon"], max_depth=wanted["depth"],
        bounds=(-np.ones(columns), np.ones(columns)), classes=[0, 1],
    )  # fmt: skip
    made.fit(np.clip(given["x"], -1, 1), given["y"])
    return made.predict_proba(np.clip(given["held"], -1, 1))


METHODS = {"xgboost": xgboost, "cox": cox, "logistic": logistic, "forest": forest}


def main() -> None:
    """Reads what is wanted, writes predictions beside the table, and prints one line."""
    wanted = json.loads(sys.argv[1])
    given = np.load(wanted["file"])
    import_module("xgboost" if wanted["method"] in ("xgboost", "cox") else "diffprivlib.models")
    start, cpu = time.perf_counter(), time.process_time()
    made = METHODS[wanted["method"]](given, wanted)
    spent = {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
    np.save(Path(wanted["file"]).with_name("made.npy"), made)
    libraries = ("xgboost-cpu", "diffprivlib", "scikit-learn", "numpy")
    print(json.dumps({**spent, "versions": {name: version(name) for name in libraries}}))


if __name__ == "__main__":
    main()
