"""Reproducible builds: what is measured of an image, computed from a description of it."""

from confide.tee.build.description import Description
from confide.tee.build.diff import Difference, differences
from confide.tee.build.gramine import Finding, lint
from confide.tee.build.image import Build, build
from confide.tee.build.manifest import Manifest
from confide.tee.build.measured import Measured

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
