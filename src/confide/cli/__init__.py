"""The command line."""

import sys

from confide.cli import interrupts

__all__ = ["main"]


def main() -> None:
    """Runs the command line; an interrupt ends it with exit code 130, without a trace."""
    try:
        with interrupts.interrupts_end_quietly():
            from confide.cli.commands import run
        run()
    except KeyboardInterrupt:
        sys.exit(interrupts.INTERRUPTED)
