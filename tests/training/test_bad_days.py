"""What goes wrong in long runs: killed while saving, a full disk, a loss that is no number, an empty class."""

import json
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch

from maskweave import training
from maskweave.training.checkpoint import load_checkpoint
from maskweave.training.config import TrainConfig
from maskweave.training.errors import CheckpointError, LossNotFinite, TrainingError
from maskweave.training.loop import Trainer
from maskweave.training.run_folder import LAST
from maskweave.training.session import BAD_BATCH, images_of_step
from tests.training.drawn import edit

pytestmark = pytest.mark.training

_KILLED_WHILE_SAVING = """
import io, json, os, signal, sys
import torch
from maskweave.training.config import TrainConfig
from maskweave.training.loop import Trainer
from maskweave.training.run_folder import LAST

trainer = Trainer(TrainConfig.from_dict(json.loads(sys.argv[1])))
trainer.run(stop_at_step=2)
save = torch.save

def save_half(state, out):
    whole = io.BytesIO()
    save(state, whole)
    out.write(whole.getvalue()[: whole.tell() // 2])
    out.flush()
    os.kill(os.getpid(), signal.SIGKILL)

torch.save = save_half
trainer.run(stop_at_step=3)
"""


def test_a_run_killed_while_it_saves_ends_as_if_it_had_not_been(settings):
    whole = Trainer(TrainConfig(**settings))
    whole.run(stop_at_step=4)
    config = TrainConfig(**{**settings, "output": settings["output"].with_name("killed")})
    words = [sys.executable, "-c", _KILLED_WHILE_SAVING, json.dumps(config.to_dict())]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (config.output / f"{LAST}.partial").is_file()
    resumed = Trainer(config)
    resumed.load(config.output / LAST)
    assert resumed.step == 2
    resumed.run(stop_at_step=4)
    ours, theirs = resumed.network.state_dict(), whole.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert not (config.output / f"{LAST}.partial").exists()


@contextmanager
def largest_file(size):
    """Let no file of this process grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_is_told_and_nothing_is_lost(settings):
    config = TrainConfig(**settings)
    with largest_file(50_000), pytest.raises(TrainingError, match="cannot be read or written"):
        training.train(config)  # there is no room for the images
    with (
        largest_file(2_000_000),
        pytest.raises(CheckpointError, match=r"cannot be written .*Free some space"),
    ):
        training.train(config)  # nor for a checkpoint
    assert not list(config.output.glob("last*"))
    trainer = Trainer(config)
    trainer.run(stop_at_step=1)
    with largest_file(2_000_000), pytest.raises(CheckpointError, match="cannot be written"):
        trainer.run(stop_at_step=2)
    assert load_checkpoint(config.output / LAST)["step"] == 1
    assert not list(config.output.glob("*.partial"))


def test_a_loss_that_is_no_number_names_its_images(settings, monkeypatch):
    config = TrainConfig(**{**settings, "epochs": 3})
    step = Trainer.train_step

    def break_at_two(trainer, batch):
        if trainer.step == 2:
            trainer.network.heads[0].classes.bias.data.fill_(float("nan"))
        return step(trainer, batch)

    monkeypatch.setattr(Trainer, "train_step", break_at_two)
    with pytest.raises(
        LossNotFinite, match=r"the loss of step 2 is nan.*begin with \d\.png.*bad-batch"
    ) as told:
        training.train(config)
    listed = (config.output / BAD_BATCH).read_text().split()
    assert set(listed) <= {f"{number}.png" for number in range(6)}
    assert ", ".join(listed[:3]) in str(told.value)
    kept = load_checkpoint(config.output / LAST)
    assert kept["step"] == 0
    assert all(torch.isfinite(value).all() for value in kept["network"].values())


def test_the_images_of_a_step_are_those_it_reads(settings):
    trainer = Trainer(TrainConfig(**settings))
    trainer.step = 3
    asked = []

    class Spy:
        def __getitem__(self, index):
            asked.append(index)
            return cache[index]

    told = [path.name for path in images_of_step(trainer)]
    cache, trainer.cache = trainer.cache, Spy()
    next(trainer.batches(96, workers=0))
    assert told == [f"{index}.png" for index in dict.fromkeys(asked)]
    assert len(told) >= 4


def test_a_class_without_objects_is_told_and_the_rest_is_learned(settings):
    content = json.loads(settings["annotations"].read_text())
    edit(settings["annotations"], categories=[*content["categories"], {"id": 11, "name": "star"}])
    messages = []
    training.train(
        TrainConfig(**{**settings, "epochs": 1}), lambda progress: messages.append(progress.message)
    )
    assert any("no object of star in the training data" in message for message in messages)


def test_boxes_alone_teach_no_masks_and_that_is_told(settings):
    content = json.loads(settings["annotations"].read_text())
    edit(settings["annotations"], annotations=[{**a, "segmentation": None} for a in content["annotations"]])
    messages = []
    training.train(
        TrainConfig(**{**settings, "epochs": 1}), lambda progress: messages.append(progress.message)
    )
    assert any("masks will not be learned" in message for message in messages)
