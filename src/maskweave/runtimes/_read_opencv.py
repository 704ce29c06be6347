"""Read a network file with OpenCV; also a program of its own, to find out whether a file crashes it.

OpenCV's importers read past the end of what a malformed graph gives them, and take the process with them.
As a program: ``python _read_opencv.py MODEL [TEXT_GRAPH]`` ends with 0 when OpenCV loads the file, with
`REFUSED` and one line on stdout when it says no, and with anything else when it crashes.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

REFUSED = 65  # EX_DATAERR of sysexits.h
_SILENT = 0  # OpenCV's LOG_LEVEL_SILENT


def read_net(model: Path, text_graph: Path | None) -> Any:
    """Load a TensorFlow graph (.pb, with its text graph if it has one) or an ONNX file; raises `cv2.error`.

    OpenCV 5 takes its new engine unless told otherwise, and that one cannot give the two outputs that
    Mask R-CNN text graphs name; 4.x has no such choice. So TensorFlow graphs take the classic one where there
    is a choice, and ONNX files what OpenCV thinks best.
    """
    if model.suffix.lower() == ".onnx":
        return cv2.dnn.readNetFromONNX(str(model))
    classic = getattr(cv2.dnn, "ENGINE_CLASSIC", None)
    config = "" if text_graph is None else str(text_graph)
    if classic is None:
        return cv2.dnn.readNetFromTensorflow(str(model), config)
    return cv2.dnn.readNetFromTensorflow(str(model), config, classic)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep OpenCV from writing lines of its own to stderr: what went wrong arrives as an exception."""
    logging = log_levels()
    before = logging.getLogLevel()
    logging.setLogLevel(_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)


def log_levels() -> Any:
    """What has OpenCV's getLogLevel and setLogLevel: they moved within 4.x."""
    return cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging


def one_line(error: BaseException) -> str:
    """What an engine complains of, in one line of reasonable length."""
    text = " ".join(str(error).split())
    return text.partition("error: ")[2][:300] or text[:300] or type(error).__name__


def main(arguments: list[str]) -> int:
    """Load the file of the command line and say how that went."""
    text_graph = Path(arguments[1]) if len(arguments) > 1 else None
    try:
        with quiet():
            net = read_net(Path(arguments[0]), text_graph)
        why = "it holds no network" if net.empty() else ""
    except cv2.error as error:
        why = one_line(error)
    sys.stdout.write(why)
    return REFUSED if why else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
