"""The operators' commands, from a separate distribution that is found by its entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from confide.errors import DataError

__all__ = ["WithOperators"]

_GROUP: Final = "confide.tee"
_KNOWN: Final = {
    "build": "Hash what goes into an image, and what hardware measures.",
    "collateral": "Fetch vendors' certificates and lists into files.",
    "diff": "Show the differences between two builds.",
    "lint": "Show what would open a Gramine enclave.",
    "registry": "Keep the builds and machines that the parties accept.",
    "sign": "Add your signature to a release.",
}
"""What `confide-operator` adds."""


class WithOperators(TyperGroup):
    """A group of commands, with those that other distributions add to it."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands, also of known ones that are not installed."""
        return sorted({*super().list_commands(ctx), *_KNOWN, *_added()})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name, or None."""
        own = super().get_command(ctx, cmd_name)
        added = _added()
        if own is not None or (cmd_name not in added and cmd_name not in _KNOWN):
            return own
        return _loaded(added[cmd_name]) if cmd_name in added else _missing(cmd_name)


def _added() -> dict[str, EntryPoint]:
    return {found.name: found for found in entry_points(group=_GROUP)}


def _loaded(found: EntryPoint) -> Any:
    made = found.load()
    if not isinstance(made, typer.Typer):
        app = typer.Typer(rich_markup_mode=None, add_completion=False)
        app.command(found.name)(made)
        made = app
    command = typer.main.get_command(made)
    command.name = found.name
    return command


def _missing(name: str) -> TyperCommand:
    def say() -> None:
        raise DataError(
            f"confide tee {name} is an operator's command, and confide-operator is not installed: "
            "pip install confide-operator"
        )

    return TyperCommand(
        name,
        callback=say,
        help=f"{_KNOWN[name]} (Needs confide-operator.)",
        rich_markup_mode=None,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )
