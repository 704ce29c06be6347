"""Import optional packages where they are needed; where one is missing, the error names what to install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from maskweave.errors import MaskWeaveError, MissingDependency


def missing(purpose: str, package: str, *, extra: str = "", install: str = "") -> MissingDependency:
    """Make the error for a package that is not installed.

    Args:
        purpose: What needs it, as the begin of a sentence: "training", "street.tif".
        package: Its name.
        extra: The extra of MaskWeave that brings it.
        install: The command that installs it, where that is no extra.
    """
    command = install or f"pip install 'maskweave[{extra}]'"
    return MissingDependency(f"{purpose}: need {package}, which is not installed; run {command}")


@contextmanager
def optional(purpose: str, *, extra: str = "", install: str = "") -> Iterator[None]:
    """Import optional packages in a ``with`` block; the arguments are those of `missing`.

    Raises:
        MissingDependency: A package is not installed.

    Example:
        >>> with optional("counting sheep", extra="farm"):  # doctest: +ELLIPSIS
        ...     import sheep
        Traceback (most recent call last):
        maskweave.errors.MissingDependency: counting sheep: need sheep, which is not installed; run ...
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if isinstance(error, MaskWeaveError) or package in ("", "maskweave"):
            raise
        raise missing(purpose, package, extra=extra, install=install) from error
