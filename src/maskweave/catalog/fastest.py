"""Remember which form of the built-in model `maskweave doctor` measured to be the fastest on this machine."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

from maskweave.catalog.cache import cache_dir, disk_errors, replacing
from maskweave.catalog.entry import FAST
from maskweave.errors import ModelNotDownloaded
from maskweave.version import __version__

_FILE = "fastest.json"


@dataclass(frozen=True)
class Form:
    """A catalog name and what runs it."""

    model: str
    runtime: str


def remember(form: Form) -> Path:
    """Keep what was measured to be the fastest; raises `ModelNotDownloaded` where the cache cannot be written."""
    path = cache_dir() / _FILE
    with disk_errors(path, "written"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({"machine": _machine(), **asdict(form)}) + "\n", encoding="utf-8")
    return path


def fastest() -> Form:
    """What was measured on this machine by this version; raises `ModelNotDownloaded` where nothing was."""
    try:
        known = json.loads((cache_dir() / _FILE).read_text(encoding="utf-8"))
        if known["machine"] == _machine():
            return Form(str(known["model"]), str(known["runtime"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise ModelNotDownloaded(
        f"{FAST}: need to know what is fastest here, nothing was measured; run maskweave doctor once"
    )


def resolve(name: str) -> tuple[str, str | None]:
    """A model's name, and the runtime that goes with it where the name says so."""
    if name != FAST:
        return name, None
    form = fastest()
    return form.model, form.runtime


def _machine() -> str:
    return f"{platform.node()} {platform.machine()} {platform.processor()} maskweave {__version__}"
