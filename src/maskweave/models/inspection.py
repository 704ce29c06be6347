"""Inspect a model file: what it is and how it would be used, for people who want to know before they trust it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from maskweave.errors import UnknownLayout
from maskweave.models.base import Model
from maskweave.models.loading import (
    FAMILIES,
    FamilyMatch,
    RuntimeOptions,
    build_as,
    match_family,
    open_runtime,
)
from maskweave.models.sidecar import Sidecar, find_sidecar
from maskweave.runtimes.base import RuntimeInfo


@dataclass(frozen=True)
class Inspection:
    """What was found.

    - ``info``: engine, tensors and metadata.
    - ``sidecar``: the one in force, if any.
    - ``match``: the family and why it was taken; None where none fits.
    - ``class_names``, ``preprocessing``, ``default_score``: of the model as it would be used.
    - ``problem``: why it cannot be used, "" where it can.
    """

    path: Path
    info: RuntimeInfo
    sidecar: Sidecar | None
    match: FamilyMatch | None
    class_names: tuple[str, ...] = ()
    preprocessing: str = ""
    default_score: float | None = None
    problem: str = ""


def inspect_file(path: Path) -> Inspection:
    """Load a model file and look at it; a network that fits no family is no error here.

    Raises `UnknownModel`, `NotAModel`, `DeviceUnavailable`, or `InvalidValue` for a sidecar that cannot be used.
    """
    sidecar = find_sidecar(path, FAMILIES)
    runtime = open_runtime(path, RuntimeOptions())
    try:
        info = runtime.describe()
        match, problem, model = None, "", None
        try:
            match = match_family(info, path, sidecar)
            model = build_as(match.family, runtime, path.stem, sidecar=sidecar)
        except UnknownLayout as error:
            problem = str(error)
        return _inspection(path, info, sidecar, match, model, problem)
    finally:
        runtime.close()


def _inspection(
    path: Path,
    info: RuntimeInfo,
    sidecar: Sidecar | None,
    match: FamilyMatch | None,
    model: Model | None,
    problem: str,
) -> Inspection:
    if model is None:
        return Inspection(path, info, sidecar, match, problem=problem)
    return Inspection(
        path, info, sidecar, match, model.class_names, model.preprocessing, model.default_score, problem
    )
