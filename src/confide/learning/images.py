"""MNIST and data sets of its form, from files that the user has: idx, gzipped idx or npz.

Nothing is downloaded.
"""

from __future__ import annotations

import gzip
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import DataError

__all__ = ["read_images"]

_IDX_UINT8: Final = 8
_FILES: Final = {
    "train": ("train-images", "train-labels"),
    "test": ("t10k-images", "t10k-labels"),
}
_ARRAYS: Final = {
    "train": (("train_images", "train_labels"), ("x_train", "y_train")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
}
_LARGEST: Final = 1 << 31
"""Bytes of one file, unpacked."""


def read_images(path: Path | str, part: str = "train") -> dict[str, NDArray[Any]]:
    """Images and labels of a data set of the form of MNIST.

    Args:
        path: A folder with the idx files of MNIST, Fashion-MNIST or EMNIST (`train-images…`,
            `t10k-labels…`, also as `.gz`), or an npz file with `train_images`, `train_labels`,
            `test_images`, `test_labels`, or with `x_train`, `y_train`, `x_test`, `y_test`; there
            square images may be rows of pixels.
        part: 'train' or 'test'.

    Returns:
        Columns: 'image', float32 from 0 to 1, shape `(rows, height, width)`; and 'label', int64.

    Raises:
        DataError: If a file is missing, damaged or of another form.
    """
    path = Path(path)
    if part not in _FILES:
        raise DataError(f"part {part!r}; it is 'train' or 'test'")
    images, labels = _of_folder(path, part) if path.is_dir() else _of_npz(path, part)
    if images.ndim == 2 and (side := math.isqrt(images.shape[1])) ** 2 == images.shape[1]:
        images = images.reshape(len(images), side, side)
    if images.ndim != 3 or labels.shape != images.shape[:1] or images.dtype != np.uint8:
        raise DataError(
            f"{path} has {part} images of shape {images.shape} and type {images.dtype}, and labels "
            f"of shape {labels.shape}; they are (rows, height, width) of uint8, and (rows,)"
        )
    return {
        "image": images.astype(np.float32) / np.float32(255),
        "label": labels.astype(np.int64),
    }


def _of_npz(path: Path, part: str) -> tuple[NDArray[Any], NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as found:
            for images, labels in _ARRAYS[part]:
                if images in found and labels in found:
                    return found[images], found[labels]
            names = ", ".join(found)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is no npz file of arrays: {error}") from error
    wanted = " or ".join(" and ".join(pair) for pair in _ARRAYS[part])
    raise DataError(f"{path} has the arrays {names}; it takes {wanted}")


def _of_folder(folder: Path, part: str) -> tuple[NDArray[Any], NDArray[Any]]:
    images, labels = (_idx(_file(folder, name)) for name in _FILES[part])
    return images, labels


def _file(folder: Path, name: str) -> Path:
    found = sorted(path for path in folder.iterdir() if name in path.name.replace(".", "-"))
    if not found:
        raise DataError(f"no file {name}… in {folder}; MNIST's has names like {name}-idx3-ubyte.gz")
    return found[0]


def _idx(path: Path) -> NDArray[np.uint8]:
    """An idx file: two zero bytes, type, number of axes, their lengths (big-endian), the data."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            raw = file.read(_LARGEST)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != _IDX_UINT8:
        raise DataError(f"{path} is no idx file of 8-bit numbers")
    start = 4 + 4 * raw[3]
    shape = tuple(np.frombuffer(raw[4:start].ljust(start - 4, b"\0"), ">u4").tolist())
    if len(raw) - start != math.prod(shape):
        raise DataError(f"{path} is damaged: its length is not that of shape {shape}")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
