"""Make the options of a command from the fields of a request, and add those that every command has."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import Field
from functools import partial
from typing import Annotated, Any

import typer

from maskweave.cli.console import set_verbosity
from maskweave.option_fields import Option, expand_options, input_type, name_of

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON line per input on stdout.")]
JsonLineOption = Annotated[bool, typer.Option("--json", help="One JSON line on stdout.")]
JsonLinesOption = Annotated[bool, typer.Option("--json", help="One JSON line per row on stdout.")]
LiveOption = Annotated[
    bool,
    typer.Option("--live", help="Show a camera, stream or video on a page of this machine, as it happens."),
]
OpenOption = Annotated[
    bool,
    typer.Option("--open", help="Show what was written: of one input its first file, of several the folder."),
]


def takes_options(
    *, without: tuple[str, ...] = (), defaults: dict[str, Any] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the single options of its parameters that are dataclasses of options.

    ``without``: names of options that the command does not have. ``defaults``: values other than those of the fields.
    """
    return partial(expand_options, annotate=_annotation, without=without, defaults=defaults)


def _annotation(each: Field[Any], details: Option) -> Any:
    flags = details.flags
    if not flags and input_type(each) is bool and each.default is False:
        flags = (f"--{name_of(each).replace('_', '-')}",)  # no --no-…: it is off anyway
    return Annotated[
        input_type(each),
        typer.Option(
            *flags,
            help=details.help,
            min=details.min,
            max=details.max,
            metavar=f"[{'|'.join(details.choices)}]" if details.choices else details.metavar,
        ),
    ]


def add_common_options(app: typer.Typer) -> None:
    """Give every command of ``app``, and of the groups in it, ``--quiet`` and ``--debug``; once is enough."""
    for command in app.registered_commands:
        if command.callback is not None and "quiet" not in inspect.signature(command.callback).parameters:
            command.callback = _with_verbosity(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            add_common_options(group.typer_instance)


def _with_verbosity(command: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(command, eval_str=True)
    own = {name: each for name, each in signature.parameters.items() if name != "debug"}
    common = {
        "quiet": Annotated[
            bool, typer.Option("--quiet", "-q", help="Only warnings and errors on stderr, no progress.")
        ],
        "debug": Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")],
    }

    @functools.wraps(command)
    def call(*, quiet: bool, debug: bool, **given: Any) -> Any:
        set_verbosity(quiet=quiet, debug=debug)
        return command(**given, **({"debug": debug} if "debug" in signature.parameters else {}))

    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in common.items()
    ]
    parameters = [*(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own.values()), *added]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call
