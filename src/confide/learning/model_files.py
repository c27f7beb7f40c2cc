"""A model with its table as one file, from which nothing is run.

The file is safetensors: the arrays, and one text of metadata, JSON with sorted keys: the format,
the table's and the predictor's settings, facts for people, and the SHA-256 of all of it. The digest
tells a damaged file; who made it, only a signature would tell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from confide import canonical
from confide.computation import State, checked_state, state_hash
from confide.errors import ConfideError, DataError
from confide.learning.predictor_kinds import PREDICTORS
from confide.learning.predictors import Predictor
from confide.learning.settings import Inputs, read_table, table_settings
from confide.tables.schema import CONSTANT_PREFIX

if TYPE_CHECKING:
    from confide.learning.table_model import TableModel

__all__ = ["read_model", "write_model"]

_FORMAT: Final = "confide model 1"
_KEY: Final = "confide"
_MAX_BYTES: Final = 256 << 20
_MAX_TEXT: Final = 4 << 20


def write_model(model: TableModel, path: Path) -> None:
    """Writes a model, whole or not at all.

    Raises:
        DataError: If the file cannot be written, or would be larger than `read_model` reads.
    """
    names = [n for n in model.state if n.startswith(CONSTANT_PREFIX)]
    arrays = {n: np.asarray(model.state[n], order="C") for n in (*names, *model.predictor.arrays)}
    written = {
        "format": _FORMAT,
        "table": table_settings(model.table),
        model.predictor.key: model.predictor.settings(),
        "about": model.about,
    }
    text = _json(written | {"digest": _digest(written, arrays)})
    data = save(arrays, {_KEY: text})
    if len(data) > _MAX_BYTES or len(text) > _MAX_TEXT:
        raise DataError(f"a model of {len(data):,} bytes; at most {_MAX_BYTES:,} are written")
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise DataError(f"cannot write the model {path}: {error.strerror}") from error


Parts = tuple[Inputs, Predictor, State, Mapping[str, Any]]
"""A model's table, predictor and state, and facts about it."""


def read_model(path: str | PathLike[str]) -> Parts:
    """Reads the parts of a model that `write_model` wrote.

    Raises:
        DataError: If the file cannot be read, is damaged, or is not a model.
    """
    where = Path(path)
    try:
        if where.is_dir():
            raise DataError(f"{where} is a folder; name a model's file")
        size = where.stat().st_size
        if size > _MAX_BYTES:
            raise DataError(f"{where} has {size:,} bytes; a model has at most {_MAX_BYTES:,}")
        with safe_open(str(where), framework="numpy") as file:
            text = (file.metadata() or {}).get(_KEY, "")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except OSError as error:
        raise DataError(f"cannot read the model {where}: {error.strerror or error}") from None
    except (SafetensorError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where} is not a model of confide, or is damaged") from None
    return _parts(where, text, arrays)


def _parts(where: Path, text: str, arrays: State) -> Parts:
    try:
        written = json.loads(text) if len(text) <= _MAX_TEXT else None
    except (ValueError, RecursionError):
        written = None
    if not isinstance(written, dict) or not str(written.get("format")).startswith("confide model"):
        raise DataError(f"{where} is not a model of confide, or is damaged")
    if written["format"] != _FORMAT:
        raise DataError(f"{where} has another format than {_FORMAT!r}; install its release")
    digest = written.pop("digest", "")
    if digest != _digest(written, arrays):
        raise DataError(f"{where} is damaged: its digest does not match its content")
    kinds = [kind for key, kind in PREDICTORS.items() if key in written]
    try:
        table = read_table(written["table"])
        (kind,) = kinds
        predictor = kind.read(written[kind.key], table)
        return table, predictor, checked_state(arrays), dict(written["about"])
    except (ConfideError, KeyError, ValueError, TypeError, IndexError) as error:
        raise DataError(f"{where} holds no model that this release knows: {error}") from None


def _digest(written: dict[str, Any], arrays: State) -> str:
    return canonical.sha256([_json(written), state_hash(arrays)]).hex()


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
