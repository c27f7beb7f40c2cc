"""Handles Ctrl-C during imports, which modules are not written to survive."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["INTERRUPTED", "interrupts_end_quietly"]

INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit code of an interrupted command, as in shells."""


@contextmanager
def interrupts_end_quietly() -> Iterator[None]:
    """Within it an interrupt ends the process at once, with exit code 130 and without a trace.

    Nothing is lost, because no work has begun. An exception is not enough: the module being
    imported may swallow it, or report it as another failure.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # the shell ignores interrupts in a background job
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
