"""`maskweave serve`: the page and the HTTP interface, on this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}


def serve_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that other machines reach needs --token-file.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the token that every request must bring.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Processes for pictures.  [default: one a core, at most 4]"),
    ] = None,
    model: Annotated[
        str, typer.Option("-m", "--model", help="What answers requests that name no model.")
    ] = "built-in",
    max_upload: Annotated[str, typer.Option(help="Largest body of a request: 64MB, 2GB, …")] = "64MB",
    max_pixels: Annotated[
        float, typer.Option(min=0.001, max=1e4, help="Refuse larger pictures, in millions of pixels.")
    ] = 50.0,
    max_frames: Annotated[int, typer.Option(min=1, help="Refuse videos of more frames.")] = 100_000,
    max_seconds: Annotated[float, typer.Option(min=0.001, help="Refuse longer videos.")] = 3600.0,
    memory: Annotated[str, typer.Option(help="Most memory of each process.")] = "3GB",
    allow_urls: Annotated[
        bool, typer.Option("--allow-urls", help="Let requests name pictures on the public internet.")
    ] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further name of this server, as in its address. Repeatable.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Serve the page and the HTTP interface; only this machine reaches them unless a token is set."""
    from maskweave.cli.serving import serve_until_stopped

    choices = {
        "host": host,
        "port": port,
        "token": None if token_file is None else read_token(token_file),
        "model": model,
        "max_upload": size_in_bytes(max_upload, "--max-upload"),
        "max_pixels": round(max_pixels * 1e6),
        "max_frames": max_frames,
        "max_seconds": max_seconds,
        "memory": size_in_bytes(memory, "--memory"),
        "allow_urls": allow_urls,
        "allow_hosts": tuple(allow_host or ()),
    }
    serve_until_stopped(choices if workers is None else {**choices, "workers": workers})


def size_in_bytes(text: str, option: str) -> int:
    """Read "64MB", "1.5 GB" or "5000000".

    >>> size_in_bytes("64MB", "--max-upload")
    64000000
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]?)b?\s*", text.lower())
    if found is None:
        raise typer.BadParameter(f"need a size like 64MB, got {text!r}", param_hint=option)
    return round(float(found[1]) * _UNITS[found[2]])


def read_token(path: Path) -> str:
    """The token in a file, without the space around it."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no ASCII text"
        raise typer.BadParameter(f"{path} cannot be read: {reason}", param_hint="--token-file") from error
