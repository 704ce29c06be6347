"""Make files of downloaded ones on this machine, and keep them beside these in the cache."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from pathlib import Path

from maskweave.catalog import cache
from maskweave.catalog.entry import ModelFile
from maskweave.errors import ModelNotDownloaded


def derived_model(source: Path, *, version: int, make: Callable[[Path], bytes]) -> Path | bytes:
    """Return the path of the ONNX file that ``make`` makes of ``source``, making it where it is not there yet.

    Its name holds the beginning of the source's sha256 and the ``version`` of what makes it, so another source or
    another version makes another file; the older ones are then deleted. One that has been changed is made again.
    Where the cache cannot be written the file itself is returned, with a warning. Raises what ``make`` raises.
    """
    sha256 = cache.recorded(source) or cache.checksum_of(source, "sha256")
    path = source.with_name(f"{source.stem}.{sha256[:12]}.v{version}.onnx")
    if path.is_file() and cache.recorded(path) is not None:
        return path
    data = make(source)
    file = ModelFile(path.name, None)
    try:
        with cache.replacing(path) as temporary:
            temporary.write_bytes(data)
        cache.record(file, path, cache.checksum_of(path, "sha256"))
    except ModelNotDownloaded as error:
        warnings.warn(f"{path.name} cannot be kept and will be made again each time: {error}", stacklevel=2)
        return data
    for old in source.parent.glob(f"{source.stem}.*.v*.onnx"):
        if old != path:
            with contextlib.suppress(OSError):
                old.unlink()
    return path
