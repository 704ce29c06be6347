"""`--open`: show what was written in the program that the system has for it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from maskweave.cli.console import warn


def show(paths: Sequence[Path], folder: Path, *, several: bool) -> None:
    """Show the first of ``paths``, or the ``folder`` of ``several`` inputs; what keeps it from that is a warning."""
    if not paths:
        warn("--open: need a result to show, nothing was written")
        return
    target = folder if several else paths[0]
    _show(str(target), f"--open: need the program {{program}}, found none on PATH; the result is {target}")


def open_page(address: str) -> None:
    """Show a page in the browser; a machine without one is told the address."""
    _show(
        address,
        f"--live: need the program {{program}} to open the browser, found none on PATH; open {address}",
    )


def _show(target: str, without: str) -> None:
    """Show a file or an address by the system's program for it; ``without`` it, with a warning."""
    if sys.platform == "win32":
        os.startfile(target)  # opens with the program that the system has for it
        return
    program = "open" if sys.platform == "darwin" else "xdg-open"
    if shutil.which(program) is None:
        warn(without.format(program=program))
        return
    mute = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (0, 1, 2)]
    os.posix_spawnp(program, [program, target], os.environ, file_actions=mute)  # goes on after this command
