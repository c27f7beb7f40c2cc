"""`python -m tests.documents --write` writes what documents show of code anew: output and keys."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

from confide.computation import keys_in_markdown

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PLAN_FILES = ROOT / "docs" / "plan-files.md"
QUICKSTART = ROOT / "examples" / "ten_lines.py"


def quickstart_source():
    """The README's example without its docstring."""
    text = QUICKSTART.read_text(encoding="utf-8")
    return text[text.index('"""\n\n', 3) + len('"""\n\n') :]


def quickstart_output():
    """What the README's example prints."""
    done = subprocess.run([sys.executable, QUICKSTART], capture_output=True, text=True, check=True)
    return "".join(textwrap.fill(line, 100) + "\n" for line in done.stdout.splitlines())


def _with_block(text, language, content):
    made, count = re.subn(
        rf"(```{language}\n).*?(```)",
        lambda found: found[1] + content + found[2],
        text,
        count=1,
        flags=re.DOTALL,
    )
    assert count == 1
    return made


def write():
    readme = _with_block(README.read_text(encoding="utf-8"), "python", quickstart_source())
    README.write_text(_with_block(readme, "text", quickstart_output()), encoding="utf-8")
    document = PLAN_FILES.read_text(encoding="utf-8")
    begin, end = "<!-- keys: begin -->\n", "<!-- keys: end -->"
    before, _, rest = document.partition(begin)
    _, _, after = rest.partition(end)
    PLAN_FILES.write_text(before + begin + keys_in_markdown() + end + after, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(f"{__doc__}")
    write()
