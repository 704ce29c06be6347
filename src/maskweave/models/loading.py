"""Load a model that is ready to be called, from a catalog name or a file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from threading import Lock
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from maskweave.catalog.cache import locate
from maskweave.catalog.entries import find
from maskweave.catalog.entry import FAST, Entry
from maskweave.errors import InvalidValue, MissingDependency, NotAModel, UnknownLayout, UnknownModel
from maskweave.models.base import Model
from maskweave.optional import optional
from maskweave.runtimes.base import Runtime, RuntimeInfo, TensorSpec
from maskweave.runtimes.model_files import refuse_other_files

if TYPE_CHECKING:
    from maskweave.catalog.download import Progress
    from maskweave.models.guided import Answer, Guided
    from maskweave.models.sidecar import Sidecar
    from maskweave.types.arrays import FloatArray, Image, Mask
    from maskweave.types.instances import Instances
    from maskweave.types.prompt import Point, Prompt


class ImportedModules(Mapping[str, ModuleType]):
    """The modules of ``package`` by their own names, in the order of ``names``; each is imported on first use.

    >>> ImportedModules("json", ("decoder",))["decoder"].__name__
    'json.decoder'
    """

    def __init__(self, package: str, names: tuple[str, ...]) -> None:
        self._places = MappingProxyType({name: f"{package}.{name}" for name in names})

    def __getitem__(self, name: str) -> ModuleType:
        return import_module(self._places[name])

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


FAMILIES: Mapping[str, ModuleType] = ImportedModules(
    "maskweave.models",
    (
        "compact",
        "mask_rcnn_onnx",
        "mask_rcnn_tf",
        "rfdetr_seg",
        "rtmdet_ins",
        "dfine_seg",
        "yolo_seg",
        "torchvision_mask_rcnn",
        "efficient_sam",
        "sam",
        "guided",
        "human_seg",
        "matting",
        "semantic",
    ),
)
"""Every family: its module has ``recognize(info) -> reason or None`` and ``build(runtime, name=…) -> Model``.

`build` also takes ``class_names`` where the files do not name their classes, ``size`` where it may be chosen, and
``nms_iou``, ``logits`` and ``preprocessing`` where these may. The first family that recognizes a network takes it.
"""

_SUFFIXES = (".onnx", ".pb")


@dataclass(frozen=True)
class FamilyMatch:
    """The ``family`` of a network, and the ``reason``."""

    family: str
    reason: str


@dataclass(frozen=True)
class RuntimeOptions:
    """How a model is to be run; see `load_model`."""

    device: str = "cpu"
    threads: int | None = None
    runtime: str | None = None

    def __post_init__(self) -> None:
        """Check the runtime's name."""
        if self.runtime not in (None, "onnxruntime", "opencv", "openvino"):
            raise InvalidValue(f"runtime: need onnxruntime, opencv or openvino, got {self.runtime!r}")


def load_model(
    name: str | Path,
    *,
    options: RuntimeOptions | None = None,
    size: int | None = None,
    offline: bool | None = None,
    progress: Progress | None = None,
) -> Model:
    """Load a catalog entry (fetching its files when they are not here) or an .onnx or .pb file.

    A file ``mine.toml`` beside ``mine.onnx`` says what to take it for, see `maskweave.models.sidecar`.
    ``size`` is the input's long side, for families that let you choose. ``offline`` True never fetches, False may
    whatever the variable MASKWEAVE_OFFLINE says; None asks that variable.

    Raises `UnknownModel`, `ModelNotDownloaded`, `HashMismatch`, `NotAModel`, `UnknownLayout`, `DeviceUnavailable`, or
    `InvalidValue` for an option that the model does not have.
    """
    options = options or RuntimeOptions()
    name = str(name)
    if name == FAST:
        from maskweave.catalog.fastest import resolve

        name, runtime = resolve(name)
        options = replace(options, runtime=options.runtime or runtime)
    path = Path(name)
    if path.suffix.lower() in _SUFFIXES or path.is_file():
        return _load_file(path, options, size)
    if path.is_dir():
        saved = (path / "saved_model.pb").is_file()
        what = (
            f"a TensorFlow SavedModel; python -m tf2onnx.convert --saved-model {name}"
            if saved
            else "a folder"
        )
        raise UnknownModel(f"{name}: need a model file or a catalog name, got {what}")
    entry = find(str(name))
    if entry.packaged:
        return _load_entry(entry, locate(entry), options, size)
    from maskweave.catalog.download import pull

    return _load_entry(entry, pull(entry, progress=progress, offline=offline), options, size)


class LazyGuide:
    """A guide that is loaded when it is first asked.

    Args:
        name: Of the catalog, or the file of a guide.
        options: How it is run.
    """

    def __init__(self, name: str | Path, options: RuntimeOptions) -> None:
        self._name, self._options = name, options
        self._loaded: Guided | None = None
        self._loading = Lock()

    @property
    def model(self) -> Guided:
        """The guide itself; raises as `load_model`, and `UnknownLayout` for a model of another family."""
        from maskweave.models.guided import Guided

        with self._loading:
            if self._loaded is None:
                model = load_model(self._name, options=self._options)
                if not isinstance(model, Guided):
                    model.close()
                    raise UnknownLayout(
                        f"guide: need a guide's file, got {self._name}, which is another model"
                    )
                self._loaded = model
            return self._loaded

    def find_prompted(self, image: Image, prompt: Prompt, known: Instances | None = None) -> Instances:
        """Find an object for each box, or one for all points; ``known``: what a model has found in the image."""
        return self.model.find_prompted(image, prompt, known)

    def correct(self, image: Image, mask: Mask, points: Sequence[Point]) -> Mask:
        """Correct an (H, W) mask by points."""
        return self.model.correct(image, mask, points)

    def redraw(self, image: Image, instances: Instances) -> Instances:
        """Redraw the borders of objects."""
        return self.model.redraw(image, instances)

    def refine_masks(self, image: Image, masks: FloatArray) -> list[Answer | None]:
        """Refine (K, h, w) soft masks of a whole image; None for one with no pixel over 0.5."""
        return self.model.refine_masks(image, masks)

    def close(self) -> None:
        """Free the network, if it was loaded."""
        if self._loaded is not None:
            self._loaded.close()


def recognize(info: RuntimeInfo) -> tuple[str, str] | None:
    """The family that a loaded network belongs to, and why; None when it fits none."""
    for family, module in FAMILIES.items():
        reason = module.recognize(info)
        if reason is not None:
            return family, str(reason)
    return None


def open_runtime(path: Path, options: RuntimeOptions) -> Runtime:
    """Load a user's own file into the engine that fits it; it is checked for what could harm first.

    An encoder or decoder of a promptable model is loaded with its other half, which lies beside it.
    """
    if not path.is_file():
        raise UnknownModel(f"{path}: need a model file, but it does not exist")
    if path.suffix.lower() == ".pb":
        refuse_other_files(path, is_graph=True)
        return _opencv(path, options, text_graph=_text_graph_of(path), verified=False)
    from maskweave.models._pairs import with_partner

    return with_partner(path, _open_onnx(path, options), lambda partner: _open_onnx(partner, options))


def _open_onnx(path: Path, options: RuntimeOptions, *, verified: bool = False) -> Runtime:
    if options.runtime == "opencv":
        return _opencv(path, options, text_graph=None, verified=verified)
    return _onnx(path, options)


def _load_file(path: Path, options: RuntimeOptions, size: int | None) -> Model:
    from maskweave.models.sidecar import find_sidecar

    sidecar = find_sidecar(path, FAMILIES)
    runtime = open_runtime(path, options)
    try:
        match = match_family(runtime.describe(), path, sidecar)
        return build_as(match.family, runtime, path.stem, size=size, sidecar=sidecar)
    except BaseException:
        runtime.close()
        raise


def match_family(info: RuntimeInfo, path: Path, sidecar: Sidecar | None) -> FamilyMatch:
    """The family of the network in the file at ``path``: what the sidecar says, else what it is recognized as.

    Raises `UnknownLayout` with the tensors that were seen, and a sidecar to be filled in.
    """
    if sidecar is not None and sidecar.family is not None:
        return FamilyMatch(sidecar.family, f"{sidecar.path.name} says so")
    found = recognize(info)
    if found is not None:
        return FamilyMatch(*found)
    from maskweave.models.sidecar import template

    raise UnknownLayout(
        f"{path.name}: its tensors fit none of the families {', '.join(FAMILIES)}; "
        f"inputs {_listed(info.inputs)}; outputs {_listed(info.outputs)}. "
        f"Put this beside it as {path.stem}.toml, filled in:\n{template(path.stem, FAMILIES)}"
    )


def _load_entry(entry: Entry, files: tuple[Path, ...], options: RuntimeOptions, size: int | None) -> Model:
    runtime = _open_entry(entry, files, options)
    try:
        return build_as(
            entry.family,
            runtime,
            entry.name,
            size=size,
            known={"class_names": entry.class_names, **entry.options},
        )
    except BaseException:
        runtime.close()
        raise


def _open_entry(entry: Entry, files: tuple[Path, ...], options: RuntimeOptions) -> Runtime:
    if entry.family == "mask_rcnn_tf":
        return _open_classic(files[0], files[1], options)
    runtimes = [_open_onnx(file, options, verified=True) for file in files]
    if len(runtimes) == 1:
        return runtimes[0]
    from maskweave.runtimes.pair import PairRuntime

    return PairRuntime(*runtimes)


def _open_classic(frozen: Path, text_graph: Path, options: RuntimeOptions) -> Runtime:
    """The imported model; the graph itself where OpenCV is asked for, or onnx is not there to import it."""
    if options.runtime != "opencv":
        from maskweave.catalog.derived import derived_model
        from maskweave.models.importing import VERSION, import_frozen_graph

        try:
            return _onnx(derived_model(frozen, version=VERSION, make=import_frozen_graph), options)
        except MissingDependency as error:
            if options.runtime is not None:
                raise
            warnings.warn(f"{frozen.name} runs on OpenCV, at about half the speed: {error}", stacklevel=2)
    return _opencv(frozen, options, text_graph=text_graph, verified=True)


def _onnx(model: Path | bytes, options: RuntimeOptions) -> Runtime:
    """An ONNX file on OpenVINO where that is asked for, on ONNX Runtime otherwise."""
    if options.runtime == "openvino":
        return _openvino(model, options)
    from maskweave.runtimes.onnxruntime import OnnxRuntime

    return OnnxRuntime(model, device=options.device, threads=options.threads)


def _openvino(model: Path | bytes, options: RuntimeOptions) -> Runtime:
    with optional("runtime openvino", extra="openvino"):
        from maskweave.runtimes.openvino import OpenVINORuntime
    return OpenVINORuntime(model, device=options.device, threads=options.threads)


def _opencv(path: Path, options: RuntimeOptions, *, text_graph: Path | None, verified: bool) -> Runtime:
    from maskweave.runtimes.opencv import OpenCVRuntime

    if options.runtime not in (None, "opencv"):
        raise InvalidValue(
            f"runtime: {path.name} is a TensorFlow graph, which only opencv runs; for another one make an ONNX "
            f"model of it: maskweave models import {path.name}"
        )
    return OpenCVRuntime(
        path,
        text_graph=text_graph,
        outputs=None if text_graph is None else FAMILIES["mask_rcnn_tf"].OUTPUTS,
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
    known: Mapping[str, object] | None = None,
    sidecar: Sidecar | None = None,
) -> Model:
    """Make a model of a family from a loaded network.

    ``known``: options of the family that are known for this model; None is left to the family. Arguments win over
    the sidecar.

    Raises `UnknownLayout` when the network is none of that family, `InvalidValue` for what the family does not take.
    """
    module = FAMILIES[family]
    options: dict[str, Any] = {} if sidecar is None else sidecar.options(family, module)
    options |= {key: value for key, value in (known or {}).items() if value is not None}
    if size is not None:
        from maskweave.models.sidecar import options_of

        if "size" not in options_of(module):
            raise InvalidValue(
                f"size: the input size of {name} ({family}) cannot be chosen; leave --size out"
            )
        options["size"] = size
    model: Model = module.build(runtime, name=name, **options)
    if sidecar is not None and sidecar.score is not None:
        model.default_score = sidecar.score
    return model
