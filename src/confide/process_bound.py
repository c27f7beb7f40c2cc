"""Objects with privacy state belong to one process: they are not forked, copied or stored.

A fork, a copy or a pickle of a stream of secret bits, of a session with noise drawn already, or of
a handle on a ledger would use the same noise or the same budget a second time.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar, NoReturn, Self

from confide.errors import ConfideError, ProtocolError

__all__ = ["ProcessBound"]

_forks = 0
"""How many forks lie between this process and the one that imported the module: process numbers are
reused, so the number alone does not identify a process."""


def _forked() -> None:
    global _forks  # noqa: PLW0603 - it counts what happens to the whole process
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class ProcessBound:
    """The base of objects that hold privacy state.

    A method that uses the state calls
    `check_process`.

    Class arguments:
        what: What it is, for the message.
        instead: What to do in another process.
        error: What `check_process` raises.
    """

    _what: ClassVar[str] = "an object that holds privacy state"
    _instead: ClassVar[str] = "make another in this process"
    _error: ClassVar[type[ConfideError]] = ProtocolError
    _home: tuple[int, int]

    def __init_subclass__(
        cls,
        *,
        what: str = "",
        instead: str = "",
        error: type[ConfideError] | None = None,
        **options: Any,
    ) -> None:
        super().__init_subclass__(**options)
        cls._what = what or cls._what
        cls._instead = instead or cls._instead
        cls._error = error or cls._error

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Records which process makes it."""
        made = super().__new__(cls)
        object.__setattr__(made, "_home", (os.getpid(), _forks))
        return made

    def check_process(self) -> None:
        """Checks that this is the process that made it.

        Raises:
            ConfideError: Of the kind that the class names, if it is a forked one.
        """
        if self._home != (os.getpid(), _forks):
            raise self._error(
                f"{self._what} was made by another process, which would use it a second time; "
                f"{self._instead}"
            )

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuses `copy.copy`, `copy.deepcopy` and `pickle`."""
        raise TypeError(
            f"{self._what} cannot be copied or stored, because its content may be used only "
            f"once; {self._instead}"
        )
