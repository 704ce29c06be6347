"""Pack results that are folders into files that can be sent."""

from __future__ import annotations

import shutil
from pathlib import Path


def one_file(path: Path) -> Path:
    """The file itself, or a zip of a folder."""
    if not path.is_dir():
        return path
    packed = Path(shutil.make_archive(str(path), "zip", root_dir=path.parent, base_dir=path.name))
    shutil.rmtree(path)
    return packed
