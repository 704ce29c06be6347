"""`maskweave serve`: the page and the HTTP interface, on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from maskweave.catalog.entry import BUILT_IN
from maskweave.cli.options import takes_options
from maskweave.errors import InvalidValue
from maskweave.option_fields import option
from maskweave.parsing import pixels_in

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def size_in_bytes(text: str, option: str) -> int:
    """Read "64MB", "1.5 GB" or "5000000".

    >>> size_in_bytes("64MB", "--max-upload")
    64000000
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?)b?\s*", text.lower())
    if found is None:
        raise InvalidValue(f"{option}: need a size like 64MB, got {text!r}")
    return round(float(found[1]) * _UNITS[found[2]])


def size_in_words(size: int) -> str:
    """A number of bytes in the largest unit that it is a multiple of.

    >>> size_in_words(64_000_000)
    '64MB'
    """
    unit = next(unit for unit in ("g", "m", "k", "") if size % _UNITS[unit] == 0)
    return f"{size // _UNITS[unit]}{unit.upper()}B" if unit else str(size)


@dataclass(frozen=True)
class Limits:
    """What a request may ask for; the names are those of the server's settings."""

    max_upload: int = option(
        64_000_000,
        "Maximum body of a request: 64MB, 2GB, …",
        kind=str,
        parse=partial(size_in_bytes, option="--max-upload"),
        to_word=size_in_words,
    )
    max_pixels: int = option(
        50_000_000,
        "Refuse larger images, in millions of pixels.",
        kind=float,
        parse=pixels_in,
        to_word=lambda pixels: pixels / 1e6,
        min=0.001,
        max=1e4,
    )
    max_frames: int = option(100_000, "Refuse videos of more frames.", min=1)
    max_seconds: float = option(3600.0, "Refuse longer videos.", min=0.001)
    memory: int = option(
        3_000_000_000,
        "Maximum memory of each process.",
        kind=str,
        parse=partial(size_in_bytes, option="--memory"),
        to_word=size_in_words,
    )


@dataclass(frozen=True)
class Access:
    """What a request may reach; the names are those of the server's settings."""

    allow_hosts: tuple[str, ...] = option(
        (),
        "Another host name of this server. Repeatable.",
        name="allow_host",
        kind=list[str] | None,
        parse=tuple,
    )
    allow_urls: bool = option(False, "Let requests name images on the public internet.")
    allow_streams: bool = option(False, "Let the page open any stream, and any camera of this machine.")
    change_models: bool = option(
        True,
        "Let no request fetch or remove models.",
        name="keep_models",
        flags=("--keep-models",),
        kind=bool,
        parse=lambda kept: not kept,
    )
    live_sources: tuple[str, ...] = option(
        (),
        "camera:0, rtsp://…, http://… or a video that the page may show live. Repeatable.",
        name="live_source",
        kind=list[str] | None,
        parse=tuple,
    )
    live_sessions: int = option(2, "Live videos at a time.", min=1, max=64)


@takes_options()
def serve_command(
    limits: Limits,
    access: Access,
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that other machines reach needs --token-file.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8000,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that every request must send.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Processes for images.  [default: one a core, at most 4]"),
    ] = None,
    model: Annotated[
        str, typer.Option("-m", "--model", help="Model for requests that name none.")
    ] = BUILT_IN,
    json_lines: Annotated[
        bool, typer.Option("--json", help="One JSON line on stdout with the address, once it is served.")
    ] = False,
) -> None:
    """Serve the browser interface and the HTTP interface.

    Only this machine reaches them unless a token is set.
    """
    from maskweave.cli.serving import serve_until_stopped

    choices = {
        "host": host,
        "port": port,
        "token": None if token_file is None else read_token(token_file),
        "model": model,
        **vars(limits),
        **vars(access),
    }
    choices = choices if workers is None else {**choices, "workers": workers}
    serve_until_stopped(choices, json_lines=json_lines)


def read_token(path: Path) -> str:
    """The token in a file, without the space around it."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no ASCII text"
        raise typer.BadParameter(f"{path} cannot be read: {reason}", param_hint="--token-file") from error
