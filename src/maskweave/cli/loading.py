"""Load the model of a command, with a progress bar where it has to be downloaded."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager

from maskweave.cli.console import progress_bar, warn
from maskweave.models.base import Model
from maskweave.networks import open_model
from maskweave.options import ModelOptions


@contextmanager
def loaded(options: ModelOptions) -> Iterator[Model]:
    """Load a model, with a progress bar when it has to be fetched, and close it afterwards."""
    with progress_bar(f"fetching {options.model}", None) as update, warnings_as_lines():
        model = open_model(options, progress=update)
    with closing(model):
        yield model


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Show warnings of the catalog as lines of the command, not as Python's."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        warn(f"warning: {warning.message}")
