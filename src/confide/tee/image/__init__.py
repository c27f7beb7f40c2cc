"""Reproducible builds: what is measured of an image, computed from a description of it."""

from confide.tee.image.description import Description
from confide.tee.image.diff import Difference, differences
from confide.tee.image.gramine import Finding, lint
from confide.tee.image.image import Build, build
from confide.tee.image.manifest import Manifest
from confide.tee.image.measured import Measured

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
