"""`confide predict`: a saved model on the rows of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from confide.cli.console import note
from confide.errors import DataError
from confide.learning import TableModel, load_model
from confide.learning.descriptions import ComponentPredictor
from confide.tables import read_table

__all__ = ["predict"]


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model that was saved.")],
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="Rows: CSV of any kind, Parquet, Arrow, or a database's URL."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="A CSV file; the output if left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Predict the rows of a file by a saved model."""
    made = _predicted(load_model(model), read_table(file))
    if as_json:
        text = json.dumps(made.to_dict(orient="list"), indent=1) + "\n"
    else:
        text = made.to_csv(index=False)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror}") from error
    note(f"wrote {len(made):,} predictions to {out}")


def _predicted(model: TableModel, rows: pd.DataFrame) -> pd.DataFrame:
    """The prediction, and for classes the probability of each; or the rows' components."""
    if isinstance(model.predictor, ComponentPredictor):
        made = model.transform(rows)
        return pd.DataFrame(made, columns=[f"component {k + 1}" for k in range(made.shape[1])])
    found = pd.DataFrame({_named(model): model.predict(rows)})
    if hasattr(model, "classes_"):
        chances = model.predict_proba(rows)
        for place, name in enumerate(model.classes_):
            found[f"probability of {name}"] = chances[:, place]
    return found


def _named(model: TableModel) -> str:
    """What the predicted column is called."""
    if model.predictor.family is not None:
        return model.table.label
    return f"log hazard ratio of {model.table.label}" if model.table.label else "cluster"
