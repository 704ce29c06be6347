"""Small jobs: bright squares on black for the tiny model, and what their output folders hold."""

from pathlib import Path

import numpy as np
from PIL import Image

import maskweave as mw
from maskweave.batch.job import Job
from maskweave.batch.run import run_batch
from maskweave.batch.work import make_worker
from tests.models.tiny import save_tiny_model


def write_photos(folder, count, *, broken=()):
    """Write 0.png, 1.png, …, each another picture; those in ``broken`` are cut short."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = write_photo(folder / f"{number}.png", seed=number)
        if number in broken:
            path.write_bytes(path.read_bytes()[:-20])
    return folder


def write_photo(path, seed):
    rng = np.random.default_rng(seed)
    image = np.zeros((48, 64, 3), np.uint8)
    x, y = rng.integers(4, 24, 2)
    image[y : y + 16, x : x + 20] = rng.integers(180, 256)
    Image.fromarray(image).save(path)
    return path


def model_in(folder):
    return str(save_tiny_model(Path(folder) / "tiny.onnx"))


def inline(job, items, how):
    """An engine without processes: the same worker, here."""
    work = make_worker(job)
    for item in items:
        yield work(item, lambda: None)


def do(job, how=None, tell=None):
    with mw.load(job.model) as segmenter:
        return run_batch(job, how, model=segmenter.model, tell=tell)


def finished(job, how=None):
    """Do the job and return (the names of the items done now, the summary)."""
    names = []
    summary = do(job, how, lambda outcome, counts: names.append(outcome.name))
    return sorted(names), summary


def outputs(folder):
    """Every file that a user sees, with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and ".maskweave" not in path.parts
    }


def job_for(photos, output, model, **options):
    return Job((str(photos),), str(output), model=model, **({"save": ("coco", "masks")} | options))
