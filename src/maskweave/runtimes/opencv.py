"""OpenCV's dnn module as an engine: TensorFlow frozen graphs with a text graph, and ONNX files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from maskweave.errors import DeviceUnavailable, EngineError, InvalidValue, NotAModel
from maskweave.runtimes import _read_opencv
from maskweave.runtimes.base import RuntimeInfo, Tensors, TensorSpec, check_inputs, check_names

if TYPE_CHECKING:
    from maskweave.runtimes.onnxruntime import OnnxDescription

_CHECK_SECONDS = 120
_PLACEHOLDER = re.compile(r'name:\s*"([^"]+)"\s+op:\s*"Placeholder"')


class OpenCVRuntime:
    """A network that OpenCV's dnn module runs on the processor, with OpenCV 4.x and 5.x alike.

    - ``model``: a TensorFlow frozen graph (.pb) or an ONNX file (.onnx).
    - ``text_graph``: the .pbtxt that belongs to a frozen graph of the Object Detection API.
    - ``outputs``: layers to return, inner ones too. None, or one that the network does not have, returns the
      network's own outputs: the layers that nothing else reads.
    - ``device``: "cpu"; OpenCV's wheels have nothing else.
    - ``threads``: processor threads; OpenCV keeps one number for the whole process. None leaves it alone.
    - ``verified``: the caller knows the file by its hash. Any other file is loaded in a child process first,
      because a malformed graph crashes OpenCV's importer (costs about half a second).

    Inputs are what the network asks for: (N, 3, H, W) float32 for TensorFlow graphs, what an ONNX file says
    of itself otherwise. OpenCV 4.x refuses most ONNX files whose sizes are free; 5.x runs them.

    Raises `NotAModel`, `DeviceUnavailable`, `InvalidValue`.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        text_graph: str | Path | None = None,
        outputs: Sequence[str] | None = None,
        device: str = "cpu",
        threads: int | None = None,
        verified: bool = False,
    ) -> None:
        if device != "cpu":
            raise DeviceUnavailable(
                f"device {device}: OpenCV serves this model on cpu only; choose cpu, or an ONNX model"
            )
        path = _existing(model, "model")
        text_path = None if text_graph is None else _existing(text_graph, "text graph")
        if path.suffix.lower() not in (".pb", ".onnx"):
            raise NotAModel(
                f"{path.name}: OpenCV needs a .pb or .onnx file, got {path.suffix or 'no suffix'}"
            )
        if threads is not None:
            _set_threads(threads)
        self._one_at_a_time = Lock()  # the net holds its inputs and outputs itself
        self._name = path.name
        self._onnx = _described(path) if _is_onnx(path) else None
        if not verified:
            _check_in_child(path, text_path)
        self._net = _load(path, text_path)
        self._outputs = _output_names(self._net, outputs)
        self._inputs = _input_names(text_path)
        if self._onnx is not None and outputs is None:
            self._outputs = _outputs_of_file(self._onnx, self._outputs, path)

    def run(self, inputs: Tensors) -> Tensors:
        """Run the network; see `Runtime`."""
        self._check(inputs)
        with self._one_at_a_time:
            return self._run(inputs)

    def _run(self, inputs: Tensors) -> Tensors:
        if self._net is None:
            raise EngineError("OpenCV: the network was closed; load it again")
        try:
            with _read_opencv.quiet():
                for name, blob in inputs.items():
                    # With a single input the name is left out: OpenCV 4.x does not know an ONNX file's names.
                    self._net.setInput(blob, *([name] if len(inputs) > 1 else []))
                found = self._net.forward(list(self._outputs))
        except (cv2.error, TypeError) as error:
            why = _read_opencv.one_line(error)
            if self._onnx is not None:
                raise EngineError(_cannot_run(self._name, why)) from error
            raise EngineError(f"OpenCV: the network failed: {why}") from error
        # Copied, because OpenCV's arrays may be the net's own memory, which the next run overwrites.
        return {name: np.array(array) for name, array in zip(self._outputs, found, strict=True)}

    def describe(self) -> RuntimeInfo:
        """See `Runtime`. OpenCV tells no shapes: those of a TensorFlow graph are (), an ONNX file tells its own."""
        specs = {} if self._onnx is None else {tensor.name: tensor for tensor in self._onnx.outputs}
        unnamed = tuple(TensorSpec(name, (), "float32") for name in self._inputs)
        return RuntimeInfo(
            engine="opencv",
            engine_version=cv2.__version__,
            device="cpu",
            inputs=unnamed if self._onnx is None else self._onnx.inputs,
            outputs=tuple(specs.get(name) or TensorSpec(name, (), "float32") for name in self._outputs),
            metadata={} if self._onnx is None else self._onnx.metadata,
        )

    def close(self) -> None:
        """Free the network."""
        self._net = None

    def _check(self, inputs: Tensors) -> None:
        if self._onnx is not None:
            check_inputs(inputs, self._onnx.inputs)
        elif self._inputs:
            check_names(inputs, self._inputs)
        elif not inputs:
            raise EngineError("inputs: need at least one, got none")


def _is_onnx(path: Path) -> bool:
    return path.suffix.lower() == ".onnx"


def _described(path: Path) -> OnnxDescription:
    from maskweave.runtimes.onnxruntime import describe_file  # only ONNX files need the other engine

    return describe_file(path)


def _existing(path: str | Path, what: str) -> Path:
    found = Path(path)
    if not found.is_file():
        raise NotAModel(f"{found}: need a {what} file, found {'a folder' if found.is_dir() else 'nothing'}")
    return found.resolve()


def _set_threads(threads: int) -> None:
    if threads < 1:
        raise InvalidValue(f"threads: need 1 or more, got {threads}")
    cv2.setNumThreads(threads)


def _check_in_child(model: Path, text_graph: Path | None) -> None:
    """Load the file in a child process; raise `NotAModel` when that refuses, crashes or hangs."""
    # -P keeps this folder, whose modules are named after engines, off the child's import path.
    command = [sys.executable, "-P", _read_opencv.__file__, str(model)]
    command += [] if text_graph is None else [str(text_graph)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_CHECK_SECONDS, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NotAModel(f"{model.name}: OpenCV did not load it within {_CHECK_SECONDS} s") from error
    if done.returncode == _read_opencv.REFUSED:
        raise NotAModel(_refusal(model, text_graph, done.stdout.strip()))
    if done.returncode == 1:  # an exception of Python, so nothing that the file has done
        raise EngineError(f"OpenCV: could not check {model.name}: {(done.stderr.splitlines() or ['?'])[-1]}")
    if done.returncode:
        raise NotAModel(_refusal(model, text_graph, f"it crashes OpenCV (exit status {done.returncode})"))


def _load(model: Path, text_graph: Path | None) -> Any:
    try:
        with _read_opencv.quiet():
            net = _read_opencv.read_net(model, text_graph)
            if not net.empty():
                net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
                net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
    except cv2.error as error:
        raise NotAModel(_refusal(model, text_graph, _read_opencv.one_line(error))) from error
    if net.empty():
        raise NotAModel(_refusal(model, text_graph, "it holds no network"))
    return net


def _refusal(model: Path, text_graph: Path | None, why: str) -> str:
    if _is_onnx(model):
        return _cannot_run(model.name, why)
    lacks = model.suffix.lower() == ".pb" and text_graph is None
    hint = "; does it need its text graph (.pbtxt)?" if lacks else ""
    return f"{model.name}: OpenCV cannot load it as a model: {why}{hint}"


def _cannot_run(name: str, why: str) -> str:
    """For ONNX files, which ONNX Runtime was able to read: it is the engine that is wrong, not the file."""
    return f"engine opencv cannot run {name}: {why}; leave --runtime out"


def _outputs_of_file(onnx: OnnxDescription, own: tuple[str, ...], model: Path) -> tuple[str, ...]:
    """The outputs that the file names, provided that OpenCV has them all."""
    names = tuple(tensor.name for tensor in onnx.outputs)
    missing = [name for name in names if name not in own]
    if missing:
        raise NotAModel(_cannot_run(model.name, f"it does not give the output {missing[0]}"))
    return names


def _output_names(net: Any, wanted: Sequence[str] | None) -> tuple[str, ...]:
    if wanted and set(wanted) <= set(net.getLayerNames()):
        return tuple(wanted)
    return tuple(net.getUnconnectedOutLayersNames())


def _input_names(text_graph: Path | None) -> tuple[str, ...]:
    if text_graph is None:
        return ()
    return tuple(_PLACEHOLDER.findall(text_graph.read_text(encoding="utf-8", errors="replace")))
