"""Import commands when they are called, or when all of them are listed."""

from __future__ import annotations

from collections.abc import MutableMapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import typer
import typer.core
import typer.main

from maskweave.cli.options import add_common_options

LATE = MappingProxyType(
    {
        "propagate": "propagate.propagate_command",
        "batch": "batch.batch_command",
        "serve": "serve.serve_command",
        "demo": "demo.demo_command",
        "label-studio": "label_studio.label_studio_command",
        "convert": "convert.convert_command",
        "evaluate": "evaluate.evaluate_app",
        "train": "train.train_command",
    }
)
"""Where in `maskweave.cli` each of these lies: the function, or the group of functions."""


class LateCommands(typer.core.TyperGroup):
    """A group whose commands out of `LATE` are imported on use, so that ``segment`` loads none of the others."""

    _known: dict[str, Any]

    @property
    def commands(self) -> MutableMapping[str, Any]:
        """Every command; imports all of them."""
        for name in LATE:
            self.get_command(None, name)
        return self._known

    @commands.setter
    def commands(self, commands: MutableMapping[str, Any]) -> None:
        self._known = dict(commands)

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the help text."""
        return [*self._known, *(name for name in LATE if name not in self._known)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command, imported now where it was not yet; None where there is none of that name."""
        if cmd_name in LATE and cmd_name not in self._known:
            self._known[cmd_name] = _imported(cmd_name)
        return self._known.get(cmd_name)


def _imported(name: str) -> Any:
    module, _, attribute = LATE[name].rpartition(".")
    found = getattr(import_module(f"maskweave.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        add_common_options(found)
        found.rich_markup_mode = None  # plain, as of the program itself
        group = typer.main.get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    alone.command(name)(found)
    add_common_options(alone)
    return typer.main.get_command(alone)
