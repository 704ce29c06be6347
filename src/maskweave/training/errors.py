"""Errors of training.

MaskWeaveError
└── TrainingError
    ├── TrainingDataError   the data set cannot be trained on
    ├── CheckpointError     a checkpoint is unreadable or belongs to another network
    └── LossNotFinite       the loss became NaN or infinite; the last good checkpoint is kept
"""

from __future__ import annotations

from maskweave.errors import MaskWeaveError


class TrainingError(MaskWeaveError):
    """Something went wrong while training."""


class TrainingDataError(TrainingError):
    """The data set cannot be trained on as it is."""


class CheckpointError(TrainingError):
    """A checkpoint is unreadable or belongs to another network."""


class LossNotFinite(TrainingError):
    """The loss became NaN or infinite."""
