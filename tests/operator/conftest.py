"""The command line in a folder, as `tests/cli` has it."""

from tests.cli.conftest import confide, folder, refused

__all__ = ["confide", "folder", "refused"]
