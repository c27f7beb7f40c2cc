"""`python -m tests.picture` takes the README's picture: the first page of the starter's report.

It needs chromium (Debian: apt install chromium).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from confide.computation import STARTER, read_plan
from confide.report import views, views_html

PICTURE = Path(__file__).parents[1] / "images" / "first-page.png"
WIDTH, HEIGHT = 1280, 815


def take(picture: Path) -> None:
    """Shows the report in a browser without a window, and writes what a screen of it shows."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("no chromium; install it (Debian: apt install chromium)")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        plan, _ = read_plan(STARTER, "starter")
        page.write_text(views_html(views(plan)), encoding="utf-8")
        subprocess.run(
            [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={picture}", page.as_uri()],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip


if __name__ == "__main__":
    take(PICTURE)
