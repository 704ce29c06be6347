"""`maskweave doctor`: what works on this machine, found out by trying."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time

import cv2
import numpy as np

from maskweave.api import load
from maskweave.catalogue.cache import cache_dir
from maskweave.catalogue.download import is_offline
from maskweave.catalogue.entries import BUILT_IN, ENTRIES
from maskweave.cli.console import FAILED
from maskweave.cli.models import model_state
from maskweave.errors import MaskWeaveError
from maskweave.runtimes.onnxruntime import available_devices
from maskweave.version import __version__

_LIBRARIES = (
    "numpy",
    "opencv-python-headless",
    "onnxruntime",
    "av",
    "pillow",
    "pooch",
    "typer",
    "rich",
    "matplotlib",
)
_OPTIONAL = ("torch", "faster-coco-eval", "onnx", "openvino")


def examine() -> int:
    """Print the findings and return the exit code: 0 when the model in the package works here."""
    _section("Machine")
    _row("maskweave", __version__)
    _row("python", f"{platform.python_version()} on {platform.platform()}")
    _row("processors", f"{os.cpu_count()} ({platform.machine()})")
    _section("Libraries")
    for name in (*_LIBRARIES, *_OPTIONAL):
        version = _version_of(name)
        _row(name, version or ("not installed (optional)" if name in _OPTIONAL else "MISSING"))
    _section("Engines and devices")
    _row("onnxruntime", f"{_version_of('onnxruntime')}, built for {', '.join(available_devices())}")
    _row("opencv", f"{cv2.__version__}, built for cpu")
    _section("Models")
    _row("folder", f"{cache_dir()}{' (offline: nothing is fetched)' if is_offline() else ''}")
    for entry in ENTRIES:
        _row(entry.name, {"yes": "here", "no": "not here"}.get(model_state(entry), "damaged"))
    _section("Test picture, with the model in the package")
    works = {device: _segments_on(device) for device in available_devices()}
    return 0 if works.get("cpu") else FAILED


def _segments_on(device: str) -> bool:
    """Segment one drawn picture on ``device`` and say how long it took, or why it cannot be done."""
    picture = np.full((240, 320, 3), 200, np.uint8)
    picture[60:200, 80:220] = (40, 90, 160)
    try:
        with load(BUILT_IN, device=device, offline=True) as segmenter:
            segmenter(picture)
            started = time.perf_counter()
            segmenter(picture)
            taken = time.perf_counter() - started
            served = segmenter.model.runtime.describe()
    except MaskWeaveError as error:
        _row(device, f"FAILED: {error}")
        return False
    _row(device, f"works: {served.engine} on {served.device}, {1000 * taken:.0f} ms for 320x240")
    return True


def _version_of(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _section(title: str) -> None:
    sys.stdout.write(f"\n{title}\n")


def _row(name: str, value: str) -> None:
    sys.stdout.write(f"  {name:<24}{value}\n")
