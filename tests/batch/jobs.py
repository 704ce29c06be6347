"""Small jobs: bright squares on black for the tiny model, and what their output folders hold."""

from pathlib import Path

import numpy as np
from PIL import Image

import maskweave as mw
from maskweave.batch.job import BatchJob
from maskweave.batch.run import run_batch
from maskweave.batch.work import make_worker
from maskweave.options import Request
from tests.models.tiny import save_tiny_model


def write_photos(folder, count, *, broken=()):
    """Write 0.png, 1.png, …, each another image; those in ``broken`` are cut short."""
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


def inline(job, items, config):
    """An executor without processes: the same worker, here."""
    work = make_worker(job)
    for item in items:
        yield work(item, lambda: None)


def do(job, config=None, on_outcome=None):
    with mw.load(job.request.model.model) as segmenter:
        return run_batch(job, config, model=segmenter.model, on_outcome=on_outcome)


def finished(job, config=None):
    """Do the job and return (the names of the items done now, the summary)."""
    names = []
    summary = do(job, config, lambda outcome, counts: names.append(outcome.name))
    return sorted(names), summary


def outputs(folder):
    """Every file that a user sees, with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and ".maskweave" not in path.parts
    }


def job_for(photos, output, model, **options):
    words = {"save": ("coco", "masks"), "output": str(output), "model": model} | options
    return BatchJob((str(photos),), Request.of(**words))
