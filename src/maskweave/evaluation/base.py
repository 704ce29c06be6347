"""The seam to measures: truth and prediction of one image or clip go in, numbers come out at the end."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

TruthT_contra = TypeVar("TruthT_contra", contravariant=True)
PredictedT_contra = TypeVar("PredictedT_contra", contravariant=True)
ResultT_co = TypeVar("ResultT_co", covariant=True)


class Metric(Protocol, Generic[TruthT_contra, PredictedT_contra, ResultT_co]):
    """Collects images, frames or clips one by one; a new object for every run.

    Kept are counts, or run lengths where the whole must be known at the end; never a dense mask.
    """

    def add(self, truth: TruthT_contra, predicted: PredictedT_contra) -> None:
        """Take in one image or clip; raises `InvalidValue` where the two are not of one."""

    def result(self) -> ResultT_co:
        """The numbers over all taken in so far; raises `InvalidValue` where that is nothing."""
