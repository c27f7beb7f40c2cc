"""The command line."""

from confide.cli.main import main

__all__ = ["main"]
