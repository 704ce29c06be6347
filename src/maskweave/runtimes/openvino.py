"""OpenVINO as an engine, for ONNX files. Needs the extra openvino; https://docs.openvino.ai."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import openvino

from maskweave.errors import DeviceUnavailable, EngineError, InvalidValue, NotAModel
from maskweave.runtimes.base import RuntimeInfo, Tensors, check_inputs
from maskweave.runtimes.onnx_files import check_external_data
from maskweave.runtimes.onnxruntime import describe_file

DEVICES = {"cpu": "CPU", "gpu": "GPU", "npu": "NPU"}
"""Device name: OpenVINO's name for it."""

PRECISE = "maskweave.precise"
"""Metadata: comma-separated tensors, such as positions in an image, that 8 bits of a bfloat16 are too few for."""


class OpenVINORuntime:
    """A network that OpenVINO runs.

    - ``model``: path of an .onnx file, or its bytes.
    - ``device``: "cpu", "gpu" or "npu".
    - ``threads``: processor threads; None lets OpenVINO choose.
    - ``precision``: "f32", "bf16" or "f16"; None takes what OpenVINO thinks best for the device, which is bf16 on
      processors that compute with it. `describe` tells which it is.

    Raises `NotAModel` for a file that cannot be loaded, `DeviceUnavailable`, `InvalidValue`.
    """

    def __init__(
        self,
        model: str | Path | bytes,
        *,
        device: str = "cpu",
        threads: int | None = None,
        precision: str | None = None,
    ) -> None:
        source = model if isinstance(model, bytes) else Path(model)
        if isinstance(source, Path):
            if not source.is_file():
                raise NotAModel(f"{source}: need an .onnx file, found none")
            check_external_data(source)
        self._description = describe_file(source)
        config = _config(threads, precision)
        core = openvino.Core()
        name = _device(core, device)
        try:
            network = core.read_model(source)
            precise = self._description.metadata.get(PRECISE)
            if precise and precision != "f32":
                # What leads to an output without large products on the way is not rounded.
                network.add_outputs(precise.split(","))
            compiled = core.compile_model(network, name, config)
        except Exception as error:  # OpenVINO's exceptions have no common base but this
            what = "model" if isinstance(source, bytes) else source.name
            raise NotAModel(f"{what}: OpenVINO cannot load it as a model: {_one_line(error)}") from error
        self._request = compiled.create_infer_request()
        self._one_at_a_time = Lock()
        used = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self._device = f"{device} in {used}"

    def run(self, inputs: Tensors) -> Tensors:
        """Run the network; see `Runtime`."""
        if self._request is None:
            raise EngineError("OpenVINO: the network was closed; load it again")
        check_inputs(inputs, self._description.inputs)
        fed = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        with self._one_at_a_time:
            try:
                found = self._request.infer(fed)
            except Exception as error:  # as above
                raise EngineError(f"OpenVINO: the network failed: {_one_line(error)}") from error
            # Copied, because the arrays are the request's own memory, which the next run overwrites.
            return {spec.name: np.array(found[spec.name]) for spec in self._description.outputs}

    def describe(self) -> RuntimeInfo:
        """See `Runtime`; the device is reported with the precision in use."""
        return RuntimeInfo(
            engine="openvino",
            engine_version=openvino.__version__,
            device=self._device,
            inputs=self._description.inputs,
            outputs=self._description.outputs,
            metadata=self._description.metadata,
        )

    def close(self) -> None:
        """Free the network."""
        self._request = None


def _device(core: Any, device: str) -> str:
    if device not in DEVICES:
        raise InvalidValue(f"device: need one of {', '.join(DEVICES)} for openvino, got {device!r}")
    there = core.available_devices
    if DEVICES[device] not in {name.partition(".")[0] for name in there}:
        raise DeviceUnavailable(f"device {device}: OpenVINO finds {', '.join(there) or 'none'} here")
    return DEVICES[device]


def _config(threads: int | None, precision: str | None) -> dict[str, Any]:
    if threads is not None and threads < 1:
        raise InvalidValue(f"threads: need 1 or more, got {threads}")
    if precision not in (None, "f32", "bf16", "f16"):
        raise InvalidValue(f"precision: need f32, bf16 or f16, got {precision!r}")
    # Threads tied to cores would hold up what runs beside the network: reading, drawing, encoding.
    config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = threads
    if precision is not None:
        config["INFERENCE_PRECISION_HINT"] = precision
    return config


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
