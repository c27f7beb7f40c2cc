"""What Ctrl-C does while modules are being imported, which no module is written to survive."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["INTERRUPTED", "interrupts_end_quietly"]

INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit code of a command that was interrupted, as shells have it."""


@contextmanager
def interrupts_end_quietly() -> Iterator[None]:
    """Within it an interrupt ends the process at once, with exit code 130 and without a trace.

    Nothing is lost, as nothing has begun. An exception would not do: what is being imported may
    swallow it, or report that it failed for another reason.
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
