"""`python -m tests.plan.golden --write` pins today's bytes; read the package's docstring first."""

import sys

from tests.plan import golden

if sys.argv[1:] != ["--write"]:
    sys.exit(f"{golden.__doc__}")
golden.write()
