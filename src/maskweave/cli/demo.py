"""`maskweave demo`: segment the photos and the video that come with the package."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from maskweave.cli.options import JsonOption
from maskweave.options import Request


def demo_command(
    folder: Annotated[Path, typer.Argument(help="Where media and results go.")] = Path("maskweave-demo"),
    open_it: Annotated[bool, typer.Option("--open", help="Show the folder of the results.")] = False,
    json_lines: JsonOption = False,
) -> None:
    """Segment three photos and a video of the package.

    It says where they and the results are.
    """
    from maskweave.cli.signals import interruptible

    with interruptible():
        code = run_demo(folder, open_it=open_it, json_lines=json_lines)
    raise typer.Exit(code)


def run_demo(folder: Path, *, seconds: float = 4.0, open_it: bool = False, json_lines: bool = False) -> int:
    """Write media and results into ``folder`` and return the exit code; ``seconds``: length of the video."""
    from maskweave.cli.console import inform
    from maskweave.cli.demo_video import write_photos, write_video
    from maskweave.cli.viewer import show

    media, results = folder / "media", folder / "results"
    photos = write_photos(media)
    video = write_video(media / "drift.mp4", seconds=seconds)
    started = time.perf_counter()
    code = max(
        _segment([str(photo) for photo in photos], results, json_lines=json_lines),
        _segment([str(video)], results, json_lines=json_lines, trail=1.0),
        _segment([str(video)], results, json_lines=json_lines, task="foreground"),
    )
    inform(f"\nDone in {time.perf_counter() - started:.1f} s. Look at:")
    written = sorted(results.iterdir())
    for path in written:
        inform(f"  {path}{os.sep if path.is_dir() else ''}")
    if open_it:
        show(written, results, several=True)
    return code


def _segment(inputs: list[str], results: Path, *, json_lines: bool, **options: str | float) -> int:
    """Do what `maskweave segment` does with ``options``, after saying how that is typed."""
    from maskweave.cli.console import inform
    from maskweave.cli.segment import segment_inputs

    words = [word for name, value in options.items() for word in (f"--{name}", f"{value}")]
    inform(f"\n$ maskweave segment {' '.join([*inputs, '-o', str(results), *words])}")
    return segment_inputs(inputs, Request.of(output=str(results), **options), json_lines=json_lines)
