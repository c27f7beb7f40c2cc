"""What users install is the wheel, not the source tree."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import confide

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_holds_the_package_its_types_and_its_licence(wheel):
    package = {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "confide").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    about = f"confide-{confide.__version__}.dist-info"
    described = {
        f"{about}/{name}"
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    }
    assert set(zipfile.ZipFile(wheel).namelist()) == package | described
    assert "confide/py.typed" in package


def test_imports_without_the_source_tree(wheel, tmp_path):
    script = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); import confide; print(confide.__file__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert run.stdout.startswith(str(wheel))
