"""What every test shares."""

import matplotlib as mpl
from hypothesis import settings

mpl.use("Agg")

# A slow machine is no bug; everything else is as hypothesis sets it here or in CI.
settings.register_profile("confide", parent=settings(), deadline=None)
settings.load_profile("confide")
