"""Save and load checkpoints: complete or not there, and only loaded into the network they belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from maskweave.training.errors import CheckpointError
from maskweave.training.run_folder import whole_file

FORMAT = 1


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; the name appears only when the file is whole and on disk.

    Raises:
        CheckpointError: The disk is full or the folder cannot be written. An older checkpoint of that name stays.
    """
    try:
        with whole_file(path) as partial, partial.open("wb") as out:
            torch.save({"format": FORMAT, **state}, out)
    except (OSError, RuntimeError) as error:
        why = " ".join(str(error).split())
        raise CheckpointError(
            f"{path}: cannot be written ({why}). Free some space, then --resume the run."
        ) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        CheckpointError: Missing, damaged, or of another format.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: no such checkpoint. Give the run folder or a .pt file that training wrote."
        ) from error
    except Exception as error:  # a damaged pickle fails in any way
        raise CheckpointError(f"{path}: not a readable checkpoint ({error}).") from error
    found = state.get("format") if isinstance(state, dict) else type(state).__name__
    if found != FORMAT:
        raise CheckpointError(f"{path}: need checkpoint format {FORMAT}, got {found}.")
    loaded: dict[str, Any] = state
    return loaded


def require_same(what: str, *, stored: object, wanted: object, path: Path) -> None:
    """Refuse a checkpoint whose `what` differs.

    Raises:
        CheckpointError: They differ.
    """
    if stored != wanted:
        raise CheckpointError(
            f"{path}: its {what} is {stored}, this run needs {wanted}. Start a new run instead."
        )
