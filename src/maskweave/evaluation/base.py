"""The seam to measures: truth and prediction of one image go in, numbers come out at the end."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

TruthT_contra = TypeVar("TruthT_contra", contravariant=True)
PredictedT_contra = TypeVar("PredictedT_contra", contravariant=True)
ResultT_co = TypeVar("ResultT_co", covariant=True)


class Metric(Protocol, Generic[TruthT_contra, PredictedT_contra, ResultT_co]):
    """Collects images one by one; a new object for every run."""

    def add(self, truth: TruthT_contra, predicted: PredictedT_contra) -> None:
        """Take in one image."""

    def result(self) -> ResultT_co:
        """The numbers over all images taken in so far."""
