"""Reproducible builds: what is measured of an image, computed from a description of it."""

from confide_operator.image.description import Description
from confide_operator.image.diff import Difference, differences
from confide_operator.image.gramine import Finding, lint
from confide_operator.image.image import Build, build
from confide_operator.image.manifest import Manifest
from confide_operator.image.measured import Measured

__all__ = [
    "Build",
    "Description",
    "Difference",
    "Finding",
    "Manifest",
    "Measured",
    "build",
    "differences",
    "lint",
]
