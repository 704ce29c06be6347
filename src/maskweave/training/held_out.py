"""Validation images stay held out: training images that show the same are left out of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from maskweave.training.annotations import TrainingSet, validation_images
from maskweave.training.cache import read_rgb
from maskweave.training.copies import CopyFinder
from maskweave.training.run_folder import write_json
from maskweave.training.settings import RunSettings

COPIES = "copies.json"
"""File of a run folder: the training images that were left out, and the validation image that each shows."""


def hold_out(config: RunSettings, data: TrainingSet, report: Callable[[str], None]) -> TrainingSet:
    """Leave out of a run's data the copies of what it is validated on, as `without_copies` does."""
    if config.val_annotations is None:
        return data
    held_out = validation_images(config.val_annotations, config.val_folder)
    return without_copies(data, held_out, config.output, report)


def without_copies(
    data: TrainingSet, held_out: Iterable[Path], folder: Path, report: Callable[[str], None] = lambda _: None
) -> TrainingSet:
    """Leave out the images that show what a validation image shows, whole, cropped or mirrored.

    All images are looked at once for a run folder; a run that is resumed leaves out the same ones. Where all of them
    are validation images, nothing is left out, and the report says what the scores are worth.

    Args:
        data: What is to be trained on.
        held_out: The validation images; asked for only where the run folder does not know its copies yet.
        folder: Run folder.
        report: Called with a sentence for the user.

    Raises:
        TrainingDataError: An image cannot be read.
    """
    path = folder / COPIES
    if path.is_file():
        copies = dict(json.loads(path.read_text(encoding="utf-8")))
    else:
        copies = _find([image.path for image in data.images], list(held_out))
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, copies)
    left = tuple(image for image in data.images if str(image.path) not in copies)
    if not left:
        report("all training images are validation images too: the scores say nothing about other images")
        return data
    if copies:
        copy, original = next(iter(copies.items()))
        report(
            f"{len(data.images) - len(left)} of {len(data.images)} training images show what a validation image "
            f"shows, and are left out; the first: {copy} shows {original}. All are listed in {path}."
        )
    return replace(data, images=left)


def _find(images: Sequence[Path], held_out: Sequence[Path]) -> dict[str, str]:
    """Each image that is a copy, and the held-out image that it shows."""
    same = {path.resolve() for path in held_out}
    if all(path.resolve() in same for path in images):
        return {str(path): str(path) for path in images}
    finder = CopyFinder(read_rgb(path) for path in held_out)
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda path: finder.find(read_rgb(path)), images)
        return {
            str(path): str(held_out[number])
            for path, number in zip(images, found, strict=True)
            if number is not None
        }
