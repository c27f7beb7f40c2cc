"""Makes notebooks of the labs, and runs them.

A lab is a Python file in cells (jupytext's percent format). Three tags mark an exercise: `exercise`
is what the reader completes, `check` says whether it is right, and `solution` is one that is. The
notebook for readers has exercises and checks; its twin in `solutions/` has the solutions instead.

    python labs/build.py                        # notebooks of all labs, in labs/notebooks
    python labs/build.py --run 01_three_devices # runs one as CI does, and keeps its figures
"""

from __future__ import annotations

import argparse
import base64
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jupytext

LABS: Final = Path(__file__).parent
NOTEBOOKS: Final = LABS / "notebooks"
SECONDS: Final = 180


def lab_names() -> list[str]:
    """The names of all labs, in order."""
    return sorted(path.stem for path in LABS.glob("[0-9][0-9]_*.py"))


def read_lab(name: str) -> Any:
    """A lab as a notebook with all of its cells."""
    notebook = jupytext.read(LABS / f"{name}.py", fmt="py:percent")
    notebook.metadata["kernelspec"] = {
        "name": "python3", "display_name": "Python 3", "language": "python",
    }  # fmt: skip
    return notebook


def tagged(cell: Any, tag: str) -> bool:
    """Whether a cell has a tag."""
    return tag in cell.metadata.get("tags", ())


def without(notebook: Any, tag: str) -> Any:
    """A notebook without the cells of a tag."""
    made = copy.deepcopy(notebook)
    made.cells = [cell for cell in made.cells if not tagged(cell, tag)]
    return made


def as_tested(notebook: Any) -> Any:
    """A notebook that runs each exercise as it is given, whose check must fail, then its solution.

    Raises:
        ValueError: If a solution does not stand between its exercise and a check.
    """
    made = copy.deepcopy(notebook)
    made.cells = list(_as_tested(made.cells))
    return made


def _as_tested(cells: list[Any]) -> Iterator[Any]:
    for place, cell in enumerate(cells):
        if tagged(cell, "solution"):
            around = cells[place - 1 : place + 2]
            if [t for t, c in zip(("exercise", "solution", "check"), around, strict=False)
                    if tagged(c, t)] != ["exercise", "solution", "check"]:  # fmt: skip
                raise ValueError(f"cell {place}: exercise, solution, check, in this order")
            failing = copy.deepcopy(around[2])
            failing.metadata["tags"] = ["check", "raises-exception"]
            failing.pop("id", None)
            yield failing
        yield cell


def run_lab(name: str) -> Any:
    """Runs a lab top to bottom, exercises first as they are given and then by their solutions.

    Returns:
        The notebook with its outputs.

    Raises:
        ValueError: If a check accepts an exercise that nobody completed.
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    from nbclient import NotebookClient

    notebook = as_tested(read_lab(name))
    NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": LABS}}
    ).execute()
    for cell in notebook.cells:
        if tagged(cell, "raises-exception") and not _failed(cell):
            raise ValueError(f"a check accepts what nobody completed:\n{cell.source}")
    return notebook


def _failed(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)


def build() -> list[Path]:
    """Writes the notebooks of all labs, for readers and with solutions."""
    written = []
    for name in lab_names():
        notebook = read_lab(name)
        for folder, left_out in ((NOTEBOOKS, "solution"), (NOTEBOOKS / "solutions", "exercise")):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{name}.ipynb"
            jupytext.write(without(notebook, left_out), path)
            written.append(path)
    return written


def save_figures(notebook: Any, name: str) -> list[Path]:
    """Writes the pictures among a notebook's outputs."""
    folder = NOTEBOOKS / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [
        output.data["image/png"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    paths = [folder / f"{name}_{number}.png" for number in range(1, len(pictures) + 1)]
    for path, picture in zip(paths, pictures, strict=True):
        path.write_bytes(base64.b64decode(picture))
    return paths


def main() -> None:
    """Builds all notebooks, or runs one lab."""
    parser = argparse.ArgumentParser(description="Notebooks of the labs.")
    parser.add_argument("--run", metavar="LAB", help="run a lab, as 01_three_devices")
    name = parser.parse_args().run
    for path in build() if name is None else save_figures(run_lab(name), name):
        print(f"wrote {path.relative_to(LABS.parent)}")


if __name__ == "__main__":
    main()
