"""From a name or a file to a model that is ready to be called."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from maskweave.catalogue.derived import derived_model
from maskweave.catalogue.download import Progress, pull
from maskweave.catalogue.entries import Entry, find
from maskweave.errors import InvalidValue, MissingDependency, NotAModel, UnknownLayout, UnknownModel
from maskweave.models import (
    compact,
    dfine_seg,
    efficient_sam,
    human_seg,
    mask_rcnn_onnx,
    mask_rcnn_tf,
    matting,
    rfdetr_seg,
    rtmdet_ins,
    semantic,
    torchvision_mask_rcnn,
    yolo_seg,
)
from maskweave.models.base import Model
from maskweave.models.importing import VERSION, import_frozen_graph
from maskweave.models.sidecar import Sidecar, find_sidecar, options_of, template
from maskweave.runtimes.base import Runtime, RuntimeInfo, TensorSpec

FAMILIES: Mapping[str, ModuleType] = MappingProxyType(
    {
        "compact": compact,
        "mask_rcnn_onnx": mask_rcnn_onnx,
        "mask_rcnn_tf": mask_rcnn_tf,
        "rfdetr_seg": rfdetr_seg,
        "rtmdet_ins": rtmdet_ins,
        "dfine_seg": dfine_seg,
        "yolo_seg": yolo_seg,
        "torchvision_mask_rcnn": torchvision_mask_rcnn,
        "efficient_sam": efficient_sam,
        "human_seg": human_seg,
        "matting": matting,
        "semantic": semantic,
    }
)
"""Every family: its module has ``recognise(info) -> reason or None`` and ``build(runtime, name=…) -> Model``.

`build` also takes ``class_names`` where the files do not name their classes, ``size`` where it may be chosen, and
``nms_iou``, ``logits`` and ``preprocessing`` where these may. The first family that recognises a network takes it.
"""

_SUFFIXES = (".onnx", ".pb")


@dataclass(frozen=True)
class Taken:
    """The ``family`` a network is taken for, and the ``reason``."""

    family: str
    reason: str


@dataclass(frozen=True)
class EngineOptions:
    """How a model is to be run; see `load_model`."""

    device: str = "cpu"
    threads: int | None = None
    engine: str | None = None

    def __post_init__(self) -> None:
        """Check the engine's name."""
        if self.engine not in (None, "onnxruntime", "opencv", "openvino"):
            raise InvalidValue(f"engine: need onnxruntime, opencv or openvino, got {self.engine!r}")


def load_model(
    name: str | Path,
    *,
    options: EngineOptions | None = None,
    size: int | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Model:
    """Load a catalogue entry (fetching its files when they are not here) or an .onnx or .pb file.

    A file ``mine.toml`` beside ``mine.onnx`` says what to take it for, see `maskweave.models.sidecar`.
    ``size`` is the input's long side, for families that let you choose. ``offline`` True never fetches, False may
    whatever the variable MASKWEAVE_OFFLINE says; None asks that variable.

    Raises `UnknownModel`, `ModelNotHere`, `HashMismatch`, `NotAModel`, `UnknownLayout`, `DeviceUnavailable`, or
    `InvalidValue` for an option that the model does not have.
    """
    options = options or EngineOptions()
    path = Path(name)
    if path.suffix.lower() in _SUFFIXES or path.is_file():
        return _load_file(path, options, size)
    if path.is_dir():
        raise UnknownModel(f"{name}: need a model file or a catalogue name, got a folder")
    entry = find(str(name))
    return _load_entry(entry, pull(entry, progress=progress, offline=offline), options, size)


def recognise(info: RuntimeInfo) -> tuple[str, str] | None:
    """The family that a loaded network belongs to, and why; None when it fits none."""
    for family, module in FAMILIES.items():
        reason = module.recognise(info)
        if reason is not None:
            return family, str(reason)
    return None


def open_file(path: Path, options: EngineOptions) -> Runtime:
    """Load a user's own file into the engine that fits it; it is checked for what could harm first."""
    if not path.is_file():
        raise UnknownModel(f"{path}: need a model file, there is none of that name")
    if path.suffix.lower() == ".pb":
        return _opencv(path, options, text_graph=_text_graph_of(path), verified=False)
    if options.engine == "opencv":
        return _opencv(path, options, text_graph=None, verified=False)
    return _onnx(path, options)


def _load_file(path: Path, options: EngineOptions, size: int | None) -> Model:
    sidecar = find_sidecar(path, FAMILIES)
    runtime = open_file(path, options)
    try:
        taken = take_for(runtime.describe(), path, sidecar)
        return build_as(taken.family, runtime, path.stem, size=size, sidecar=sidecar)
    except BaseException:
        runtime.close()
        raise


def take_for(info: RuntimeInfo, path: Path, sidecar: Sidecar | None) -> Taken:
    """The family of the network in the file at ``path``: what the sidecar says, else what it is recognised as.

    Raises `UnknownLayout` with the tensors that were seen, and a sidecar to be filled in.
    """
    if sidecar is not None and sidecar.family is not None:
        return Taken(sidecar.family, f"{sidecar.path.name} says so")
    found = recognise(info)
    if found is not None:
        return Taken(*found)
    raise UnknownLayout(
        f"{path.name}: its tensors fit none of the families {', '.join(FAMILIES)}; "
        f"inputs {_listed(info.inputs)}; outputs {_listed(info.outputs)}. "
        f"Put this beside it as {path.stem}.toml, filled in:\n{template(path.stem, FAMILIES)}"
    )


def _load_entry(entry: Entry, files: tuple[Path, ...], options: EngineOptions, size: int | None) -> Model:
    runtime = _open_entry(entry, files, options)
    try:
        return build_as(
            entry.family,
            runtime,
            entry.name,
            size=size,
            told={"class_names": entry.class_names, **entry.options},
        )
    except BaseException:
        runtime.close()
        raise


def _open_entry(entry: Entry, files: tuple[Path, ...], options: EngineOptions) -> Runtime:
    if entry.family == "mask_rcnn_tf":
        return _open_classic(files[0], files[1], options)
    if options.engine == "opencv":
        return _opencv(files[0], options, text_graph=None, verified=True)
    return _onnx(files[0], options)


def _open_classic(frozen: Path, text_graph: Path, options: EngineOptions) -> Runtime:
    """The imported model; the graph itself where OpenCV is asked for, or onnx is not there to import it."""
    if options.engine != "opencv":
        try:
            return _onnx(derived_model(frozen, version=VERSION, make=import_frozen_graph), options)
        except MissingDependency as error:
            if options.engine is not None:
                raise
            warnings.warn(f"{frozen.name} runs on OpenCV, at about half the speed: {error}", stacklevel=2)
    return _opencv(frozen, options, text_graph=text_graph, verified=True)


def _onnx(model: Path | bytes, options: EngineOptions) -> Runtime:
    """An ONNX file on OpenVINO where that is asked for, on ONNX Runtime otherwise."""
    if options.engine == "openvino":
        return _openvino(model, options)
    from maskweave.runtimes.onnxruntime import OnnxRuntime

    return OnnxRuntime(model, device=options.device, threads=options.threads)


def _openvino(model: Path | bytes, options: EngineOptions) -> Runtime:
    try:
        from maskweave.runtimes.openvino import OpenVINORuntime
    except ImportError as error:
        if error.name != "openvino":
            raise
        raise MissingDependency(
            "engine: openvino is not installed. Use `pip install maskweave[openvino]`, or another engine."
        ) from error
    return OpenVINORuntime(model, device=options.device, threads=options.threads)


def _opencv(path: Path, options: EngineOptions, *, text_graph: Path | None, verified: bool) -> Runtime:
    from maskweave.runtimes.opencv import OpenCVRuntime

    if options.engine not in (None, "opencv"):
        raise InvalidValue(
            f"engine: {path.name} is a TensorFlow graph, which only opencv runs; for another engine make an ONNX "
            f"model of it: maskweave models import {path.name}"
        )
    return OpenCVRuntime(
        path,
        text_graph=text_graph,
        outputs=None if text_graph is None else mask_rcnn_tf.OUTPUTS,
        device=options.device,
        threads=options.threads,
        verified=verified,
    )


def _text_graph_of(path: Path) -> Path:
    """The .pbtxt that belongs to a frozen graph: of the same stem, or the only one beside it."""
    same = path.with_suffix(".pbtxt")
    beside = [same] if same.is_file() else sorted(path.parent.glob("*.pbtxt"))
    if len(beside) != 1:
        raise NotAModel(
            f"{path.name}: OpenCV needs the text graph of a TensorFlow model; put {same.name} beside it "
            f"({len(beside)} .pbtxt files are there), or make an ONNX model of it: "
            f"maskweave models import {path.name}"
        )
    return beside[0]


def _listed(tensors: tuple[TensorSpec, ...]) -> str:
    def one(tensor: TensorSpec) -> str:
        shape = "x".join("?" if side is None else str(side) for side in tensor.shape)
        return f"{tensor.name} {shape or 'scalar'} {tensor.dtype}"

    return ", ".join(map(one, tensors)) or "none"


def build_as(
    family: str,
    runtime: Runtime,
    name: str,
    *,
    size: int | None = None,
    told: Mapping[str, object] | None = None,
    sidecar: Sidecar | None = None,
) -> Model:
    """Make a model of a family from a loaded network.

    ``told``: what the family is told of this model, where it is known; None is left to the family. Arguments win over
    the sidecar.

    Raises `UnknownLayout` when the network is none of that family, `InvalidValue` for what the family does not take.
    """
    module = FAMILIES[family]
    options: dict[str, Any] = {} if sidecar is None else sidecar.options(family, module)
    options |= {key: value for key, value in (told or {}).items() if value is not None}
    if size is not None:
        if "size" not in options_of(module):
            raise InvalidValue(
                f"size: the input size of {name} ({family}) cannot be chosen; leave --size out"
            )
        options["size"] = size
    model: Model = module.build(runtime, name=name, **options)
    if sidecar is not None and sidecar.score is not None:
        model.default_score = sidecar.score
    return model
