"""Options that several commands have, and what their words mean."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated

import typer


class TaskName(StrEnum):
    """What to find."""

    instances = "instances"
    semantic = "semantic"
    foreground = "foreground"


class ColourBy(StrEnum):
    """What decides a colour."""

    instance = "instance"
    class_ = "class"


ModelOption = Annotated[
    str,
    typer.Option(
        "-m", "--model", help="built-in, a name out of `maskweave models list`, or an .onnx / .pb file."
    ),
]
DeviceOption = Annotated[
    str, typer.Option(help="cpu, cuda, …; fails when the device does not serve the model.")
]
EngineOption = Annotated[
    str | None, typer.Option(help="onnxruntime, opencv or openvino; by default what the model needs.")
]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Threads of the engine.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def pixels(millions: float) -> int:
    """Pixels of a number of megapixels; infinity is a wrong call."""
    if not math.isfinite(millions):
        raise typer.BadParameter(f"need a number, got {millions}", param_hint="--max-pixels")
    return round(millions * 1e6)


def names_in(text: str | None, option: str) -> tuple[str, ...] | None:
    """Split comma-separated names; None stays None, and none at all is a wrong call."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise typer.BadParameter("need at least one name, got none", param_hint=option)
    return names
