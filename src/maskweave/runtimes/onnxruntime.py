"""ONNX Runtime as an engine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from maskweave.cores import cores
from maskweave.errors import DeviceUnavailable, EngineError, InvalidValue, NotAModel
from maskweave.runtimes._concurrent import ConcurrentRuntime
from maskweave.runtimes.base import RuntimeInfo, Tensors, TensorSpec, check_inputs
from maskweave.runtimes.model_files import refuse_other_files
from maskweave.runtimes.onnx_files import check_external_data

PROVIDERS: dict[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "qnn": "QNNExecutionProvider",
}
"""Device name: ONNX Runtime's name for the provider that serves it."""

_NUMBERED = ("cuda", "tensorrt", "rocm", "migraphx", "directml")
_DTYPES = {"float": "float32", "double": "float64", "string": "object"}  # the others are called as in numpy
_SMALL = 64_000_000  # bytes of a model that is worth holding twice
_SILENT = 4  # fatal errors only: all others arrive as exceptions


def available_devices() -> tuple[str, ...]:
    """Devices that the installed ONNX Runtime was built for; loading a model tells whether they work."""
    built = onnxruntime.get_available_providers()
    return tuple(device for device, provider in PROVIDERS.items() if provider in built)


@dataclass(frozen=True)
class OnnxDescription:
    """The tensors and metadata of an ONNX file, whichever engine runs it."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    metadata: dict[str, str]


def describe_file(model: Path | bytes) -> OnnxDescription:
    """Read an ONNX file's inputs, outputs and metadata, for engines that cannot; raises `NotAModel`.

    ONNX Runtime loads it for that, without preparing to run it, so that a file is described alike everywhere.
    """
    if isinstance(model, Path):
        refuse_other_files(model)
        check_external_data(model)
    name = "model" if isinstance(model, bytes) else model.name
    options = _options(threads=1)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return _description(_session(model, name, options, PROVIDERS["cpu"], {}))


class OnnxRuntime:
    """A network that ONNX Runtime runs.

    - ``model``: path of an .onnx file, or its bytes.
    - ``device``: "cpu", "cuda", "cuda:1", … see `PROVIDERS`. Operators that a device lacks run on the
      processor.
    - ``threads``: processor threads inside an operator; None lets ONNX Runtime choose. They do not wait for
      each other by spinning: alone the network is as fast so, and work beside it is not held up. Of a small model
      two runs at a time share them out, see `ConcurrentRuntime`.

    Raises `NotAModel` for a file that cannot be loaded, `DeviceUnavailable` when the device does not really
    serve the model (ONNX Runtime itself would fall back to the processor without an error).
    """

    def __init__(
        self,
        model: str | Path | bytes,
        *,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        name = "model" if isinstance(model, bytes) else Path(model).name
        held = model if isinstance(model, bytes) else _read_whole(Path(model))
        provider, options = _provider(device)
        self._device = device
        load = partial(_session, held or model, name, provider=provider, provider_options=options)
        session = load(_options(threads))
        served = session.get_providers()
        if provider not in served:
            raise DeviceUnavailable(
                f"device {device}: {provider} was asked for, but ONNX Runtime serves {name} with "
                f"{', '.join(served)}; is the device's driver library installed? Otherwise choose cpu"
            )
        half = (threads or cores()) // 2
        twice = held is not None and len(held) <= _SMALL and half > 0 and device == "cpu"
        self._concurrent: ConcurrentRuntime | None = ConcurrentRuntime(
            session, partial(load, _options(half)) if twice else None
        )
        self._description = _description(session)

    def run(self, inputs: Tensors) -> Tensors:
        """Run the network; see `Runtime`."""
        if self._concurrent is None:
            raise EngineError("ONNX Runtime: the network was closed; load it again")
        check_inputs(inputs, self._description.inputs)
        names = [spec.name for spec in self._description.outputs]
        with self._concurrent.session() as session:
            try:
                found = session.run(names, inputs)
            except Exception as error:  # ONNX Runtime's exceptions have no common base but this
                raise EngineError(f"ONNX Runtime: the network failed: {_one_line(error)}") from error
        return dict(zip(names, (np.asarray(array) for array in found), strict=True))

    def describe(self) -> RuntimeInfo:
        """See `Runtime`; metadata is the file's own custom map."""
        return RuntimeInfo(
            engine="onnxruntime",
            engine_version=onnxruntime.__version__,
            device=self._device,
            inputs=self._description.inputs,
            outputs=self._description.outputs,
            metadata=self._description.metadata,
            concurrency=1 if self._concurrent is None else self._concurrent.count,
        )

    def close(self) -> None:
        """Free the network."""
        self._concurrent = None


def _read_whole(path: Path) -> bytes | None:
    """A small model that is whole in its file; None for another, which is loaded from there."""
    if not path.is_file():
        raise NotAModel(f"{path}: need an .onnx file, found {_what_is(path)}")
    refuse_other_files(path)
    elsewhere = check_external_data(path)
    return None if elsewhere or path.stat().st_size > _SMALL else path.read_bytes()


def _what_is(path: Path) -> str:
    return "a folder" if path.is_dir() else "nothing"


def _provider(device: str) -> tuple[str, dict[str, str]]:
    """ONNX Runtime's provider for a device, and its options; raises `DeviceUnavailable` when not built in."""
    kind, _, number = device.partition(":")
    if kind not in PROVIDERS or (number and (not number.isdecimal() or kind not in _NUMBERED)):
        raise InvalidValue(
            f"device: need one of {', '.join(PROVIDERS)} (cuda:1 for the second), got {device!r}"
        )
    if PROVIDERS[kind] not in onnxruntime.get_available_providers():
        raise DeviceUnavailable(
            f"device {device}: the installed ONNX Runtime serves {', '.join(available_devices())}; "
            f"install the build of onnxruntime for {kind}, or choose one of these"
        )
    return PROVIDERS[kind], {"device_id": number} if number else {}


def _options(threads: int | None) -> onnxruntime.SessionOptions:
    if threads is not None and threads < 1:
        raise InvalidValue(f"threads: need 1 or more, got {threads}")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = threads or 0
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _session(
    model: str | Path | bytes,
    name: str,
    options: onnxruntime.SessionOptions,
    provider: str,
    provider_options: dict[str, str],
) -> Any:
    cpu = PROVIDERS["cpu"]
    providers = [(provider, provider_options), *([(cpu, {})] if provider != cpu else [])]
    source = model if isinstance(model, bytes) else str(model)
    try:
        # Its own fallback prints to stdout and goes on with the processor.
        return onnxruntime.InferenceSession(source, options, providers=providers, enable_fallback=0)
    except Exception as error:  # ONNX Runtime's exceptions have no common base but this
        if provider != cpu and provider.removesuffix("ExecutionProvider").lower() in str(error).lower():
            raise DeviceUnavailable(f"{provider} does not serve {name}: {_one_line(error)}") from error
        raise NotAModel(f"{name}: ONNX Runtime cannot load it as a model: {_one_line(error)}") from error


def _description(session: Any) -> OnnxDescription:
    return OnnxDescription(
        inputs=tuple(_spec(tensor) for tensor in session.get_inputs()),
        outputs=tuple(_spec(tensor) for tensor in session.get_outputs()),
        metadata=dict(session.get_modelmeta().custom_metadata_map),
    )


def _spec(tensor: Any) -> TensorSpec:
    shape = tuple(edge if isinstance(edge, int) and edge >= 0 else None for edge in tensor.shape)
    kind = tensor.type.removeprefix("tensor(").removesuffix(")")
    return TensorSpec(tensor.name, shape, _DTYPES.get(kind, kind))


def _one_line(error: BaseException) -> str:
    """What ONNX Runtime says, without its codes: "[ONNXRuntimeError] : 7 : INVALID_PROTOBUF : "."""
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", " ".join(str(error).split()))[:300]
