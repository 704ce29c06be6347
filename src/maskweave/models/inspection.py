"""What a model file is, and how it would be used: for people who want to know before they trust it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maskweave.errors import UnknownLayout
from maskweave.models.base import Model
from maskweave.models.loading import FAMILIES, EngineOptions, Taken, build_as, open_file, take_for
from maskweave.models.sidecar import Sidecar, find_sidecar
from maskweave.runtimes.base import RuntimeInfo


@dataclass(frozen=True)
class Inspection:
    """What was found.

    - ``info``: engine, tensors and metadata.
    - ``sidecar``: the one in force, if any.
    - ``taken``: the family and why it was taken; None where none fits.
    - ``class_names``, ``preprocessing``, ``default_score``: of the model as it would be used.
    - ``problem``: why it cannot be used, "" where it can.
    """

    path: Path
    info: RuntimeInfo
    sidecar: Sidecar | None
    taken: Taken | None
    class_names: tuple[str, ...] = ()
    preprocessing: str = ""
    default_score: float | None = None
    problem: str = ""


def inspect_file(path: Path, options: EngineOptions | None = None) -> Inspection:
    """Load a model file and look at it; a network that fits no family is no error here.

    Raises `UnknownModel`, `NotAModel`, `DeviceUnavailable`, or `InvalidValue` for a sidecar that cannot be used.
    """
    sidecar = find_sidecar(path, FAMILIES)
    runtime = open_file(path, options or EngineOptions())
    try:
        info = runtime.describe()
        taken, problem, model = None, "", None
        try:
            taken = take_for(info, path, sidecar)
            model = build_as(taken.family, runtime, path.stem, sidecar=sidecar)
        except UnknownLayout as error:
            problem = str(error)
        return _inspection(path, info, sidecar, taken, model, problem)
    finally:
        runtime.close()


def _inspection(
    path: Path,
    info: RuntimeInfo,
    sidecar: Sidecar | None,
    taken: Taken | None,
    model: Model | None,
    problem: str,
) -> Inspection:
    if model is None:
        return Inspection(path, info, sidecar, taken, problem=problem)
    return Inspection(
        path, info, sidecar, taken, model.class_names, model.preprocessing, model.default_score, problem
    )
