"""`maskweave doctor`: check by trying what works on this machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time

import cv2
import numpy as np

from maskweave.api import Segmenter, load
from maskweave.catalog.cache import cache_dir
from maskweave.catalog.download import is_offline
from maskweave.catalog.entries import all_entries
from maskweave.catalog.entry import BUILT_IN, FAST
from maskweave.catalog.fastest import Form, remember
from maskweave.cli.console import FAILED, emit
from maskweave.cli.models import model_state
from maskweave.errors import MaskWeaveError
from maskweave.runtimes.onnxruntime import available_devices
from maskweave.types.arrays import Image
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
_FORMS = (
    Form("compact-s", "onnxruntime"),
    Form("compact-s-int8", "onnxruntime"),
    Form("compact-s", "openvino"),
)
_COLUMN = 30
_STATES = {"yes": "here", "no": "not here"}


def examine(*, seconds: float, json_lines: bool) -> int:
    """Print the findings and return the exit code: 0 when the model in the package works here.

    ``seconds``: for which each form of that model is measured; 0 measures none.
    """
    sections = {
        "Machine": {
            "maskweave": __version__,
            "python": f"{platform.python_version()} on {platform.platform()}",
            "processors": f"{os.cpu_count()} ({platform.machine()})",
        },
        "Libraries": {name: _library(name) for name in (*_LIBRARIES, *_OPTIONAL)},
        "Runtimes and devices": {
            "onnxruntime": f"{_version_of('onnxruntime')}, built for {', '.join(available_devices())}",
            "opencv": f"{cv2.__version__}, built for cpu",
        },
        "Models": {
            "folder": f"{cache_dir()}{' (offline: nothing is fetched)' if is_offline() else ''}",
            **{entry.name: _STATES.get(model_state(entry), "damaged") for entry in all_entries()},
        },
        "Test image, with the model in the package": {
            device: _segments_on(device) for device in available_devices()
        },
    }
    if seconds:
        sections["Speed of the model in the package"] = _speeds(seconds)
    works = sections["Test image, with the model in the package"]["cpu"].startswith("works")
    if json_lines:
        emit({"ok": works, **sections})
    else:
        _print(sections)
    return 0 if works else FAILED


def _print(sections: dict[str, dict[str, str]]) -> None:
    for title, rows in sections.items():
        sys.stdout.write(f"\n{title}\n")
        for name, value in rows.items():
            sys.stdout.write(f"  {name:<{_COLUMN}}{value}\n")


def _library(name: str) -> str:
    return _version_of(name) or ("not installed (optional)" if name in _OPTIONAL else "MISSING")


def _segments_on(device: str) -> str:
    """Segment one drawn image on ``device``: how long it took, or why it cannot be done."""
    image = np.full((240, 320, 3), 200, np.uint8)
    image[60:200, 80:220] = (40, 90, 160)
    try:
        with load(BUILT_IN, device=device, offline=True) as segmenter:
            segmenter(image)
            started = time.perf_counter()
            segmenter(image)
            seconds = time.perf_counter() - started
            served = segmenter.model.runtime.describe()
    except MaskWeaveError as error:
        return f"FAILED: {error}"
    return f"works: {served.engine} on {served.device}, {1000 * seconds:.0f} ms for 320x240"


def _speeds(seconds: float) -> dict[str, str]:
    """Images a second of each form; the fastest is remembered for ``-m built-in:fast``."""
    image = np.full((480, 854, 3), 127, np.uint8)
    rates: dict[Form, float] = {}
    found: dict[str, str] = {}
    for form in _FORMS:
        name = f"{form.model}, {form.runtime}"
        try:
            with load(form.model, runtime=form.runtime, offline=True) as segmenter:
                rates[form] = _rate(segmenter, image, seconds)
            found[name] = f"{rates[form]:.1f} images of 854x480 a second"
        except MaskWeaveError as error:
            found[name] = f"not here: {error}"
    if rates:
        best = max(rates, key=rates.__getitem__)
        try:
            remember(best)
            found["fastest"] = f"{best.model} on {best.runtime}: -m {FAST} takes it"
        except MaskWeaveError as error:
            found["fastest"] = f"{best.model} on {best.runtime}, which cannot be kept: {error}"
    return found


def _rate(segmenter: Segmenter, image: Image, seconds: float) -> float:
    """Images a second, over so many seconds, after a first one."""
    segmenter(image)
    started, count = time.perf_counter(), 0
    while not count or time.perf_counter() - started < seconds:
        segmenter(image)
        count += 1
    return count / (time.perf_counter() - started)


def _version_of(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
