"""Runs begin with weights that exist: classes are matched by name, other networks are refused."""

import json

import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch

from maskweave.catalog.entry import BUILT_IN
from maskweave.training.checkpoint import load_checkpoint, save_checkpoint
from maskweave.training.config import TrainConfig
from maskweave.training.errors import CheckpointError
from maskweave.training.export import ExportInfo, export_onnx
from maskweave.training.loop import Trainer
from maskweave.training.run_folder import LAST
from maskweave.training.start import load_start, save_small
from tests.training.networks import random_network
from tests.training.published import random_arrays, save_npz, save_onnx

pytestmark = pytest.mark.training


def started(settings, start, name="started", **changes):
    trainer = Trainer(
        TrainConfig(**{**settings, "output": settings["output"].with_name(name), "seed": 5, **changes})
    )
    load_start(trainer, str(start))
    return trainer


def rows(trainer, name):
    """The class rows of one class in each level."""
    index = trainer.data.class_names.index(name)
    return [head.classes.weight[index] for head in trainer.network.heads]


def assert_average_follows(trainer):
    theirs = trainer.average.network.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in trainer.network.state_dict().items())
    assert trainer.average.network.slope == trainer.network.slope == trainer.first_slope


@pytest.fixture
def exported(tmp_path):
    """A random network of a disc, a star and (leaky) activations; and its file."""
    network = random_network(classes=2, slope=0.1)
    export_onnx(network, tmp_path / "other.onnx", ExportInfo(("star", "disc")))
    return network, tmp_path / "other.onnx"


def test_an_exported_file_gives_every_layer_and_the_rows_of_the_classes_it_knows(settings, exported):
    network, path = exported
    trainer = started(settings, path)
    fresh = Trainer(TrainConfig(**settings | {"seed": 5}))
    mine = trainer.network.state_dict()
    for name, value in network.state_dict().items():
        if ".classes." not in name:
            torch.testing.assert_close(mine[name], value, atol=1e-3, rtol=1e-3, msg=name)
    for found, head in zip(rows(trainer, "disc"), network.heads, strict=True):
        torch.testing.assert_close(found, head.classes.weight[1], atol=1e-3, rtol=1e-3)
    for found, new in zip(rows(trainer, "square"), rows(fresh, "square"), strict=True):
        assert torch.equal(found, new)
    assert trainer.network.slope == 0.1
    assert_average_follows(trainer)


def test_the_built_in_is_a_start(settings):
    trainer = started(settings, BUILT_IN)
    assert_average_follows(trainer)


@pytest.mark.parametrize("kind", ["npz", "onnx"])
def test_the_published_detector_is_a_start_and_leaves_the_mask_branch_fresh(settings, kind, tmp_path):
    write = {"npz": save_npz, "onnx": save_onnx}[kind]
    path = write(tmp_path / f"published.{kind}", random_arrays())
    trainer, fresh = started(settings, path), Trainer(TrainConfig(**settings | {"seed": 5}))
    for name, value in fresh.network.state_dict().items():
        same = torch.equal(trainer.network.state_dict()[name], value)
        assert same == (name.startswith("masks.") or ".classes." in name), name
    assert trainer.network.slope == 0.1
    assert_average_follows(trainer)


def test_a_checkpoint_starts_a_run_with_other_classes(settings, tmp_path):
    first = Trainer(TrainConfig(**settings))
    first.save(LAST)
    small = tmp_path / "small.pt"
    save_small([(first.config.output / LAST, 1.0)], small)
    assert small.stat().st_size < 7e6
    second = started(settings, small, classes=("square",))
    for found, theirs in zip(rows(second, "square"), rows(first, "square"), strict=True):
        torch.testing.assert_close(found, theirs, atol=1e-3, rtol=1e-2)
    torch.testing.assert_close(
        second.network.backbone.stem.conv.weight,
        first.network.backbone.stem.conv.weight,
        atol=1e-3,
        rtol=1e-2,
    )


def test_the_mean_of_two_runs_is_in_the_shares_asked_for(settings, tmp_path):
    for seed, name in ((1, "one.pt"), (2, "two.pt")):
        Trainer(TrainConfig(**{**settings, "seed": seed, "output": tmp_path / name})).save(LAST)
    one, two = (tmp_path / name / LAST for name in ("one.pt", "two.pt"))
    save_small([(one, 3.0), (two, 1.0)], tmp_path / "mean.pt")
    first, second, mean = (load_checkpoint(path)["average"] for path in (one, two, tmp_path / "mean.pt"))
    layer = "backbone.stem.conv.weight"
    assert not torch.equal(first[layer], second[layer])
    expected = 0.75 * first[layer] + 0.25 * second[layer]
    torch.testing.assert_close(mean[layer].float(), expected, atol=1e-3, rtol=1e-2)
    fewer = TrainConfig(**{**settings, "classes": ("disc",), "output": tmp_path / "fewer"})
    Trainer(fewer).save(LAST)
    with pytest.raises(CheckpointError, match=r"its list of classes is .*'disc'"):
        save_small([(one, 1.0), (tmp_path / "fewer" / LAST, 1.0)], tmp_path / "none.pt")


def of_another_architecture(trainer, **changes):
    """A checkpoint as the network before this one wrote it."""
    return {
        "config": json.dumps(trainer.config.to_dict()),
        "architecture": json.dumps({"classes": 2, "widths": [32, 64], "neck": 80}),
        "class_names": list(trainer.data.class_names),
        "step": 3,
        "seconds": 1.0,
        "network": {"class_out.weight": torch.zeros(2, 80)},
        "average": {"class_out.weight": torch.zeros(2, 80)},
        **changes,
    }


def test_a_checkpoint_of_another_architecture_starts_no_run(settings, tmp_path):
    trainer = Trainer(TrainConfig(**settings))
    save_checkpoint(tmp_path / "old.pt", of_another_architecture(trainer))
    with pytest.raises(
        CheckpointError, match=r"old.pt: need a compact model of this version, it has no layer"
    ):
        load_start(trainer, str(tmp_path / "old.pt"))
    with pytest.raises(CheckpointError, match=r"old.pt: its architecture is .*widths.*this run needs"):
        trainer.load(tmp_path / "old.pt")


def test_layers_of_other_sizes_are_refused(settings, tmp_path):
    trainer = Trainer(TrainConfig(**settings))
    wrong = dict(trainer.network.state_dict())
    wrong["masks.out.bias"] = torch.zeros(30)
    save_checkpoint(tmp_path / "odd.pt", of_another_architecture(trainer, average=wrong))
    with pytest.raises(CheckpointError, match=r"its layer masks.out.bias is \(30,\), this run needs \(8,\)"):
        load_start(trainer, str(tmp_path / "odd.pt"))


@pytest.mark.parametrize("name", ["nothing.onnx", "nothing.pt", "nothing.npz"])
def test_a_start_that_is_not_there_is_named(settings, tmp_path, name):
    with pytest.raises(CheckpointError, match=rf"{name}: no such file. Give built-in"):
        load_start(Trainer(TrainConfig(**settings)), str(tmp_path / name))


def test_a_start_that_is_no_weights_is_named(settings, tmp_path):
    trainer = Trainer(TrainConfig(**settings))
    for name in ("junk.onnx", "junk.pt", "junk.npz"):
        (tmp_path / name).write_bytes(b"junk")
        with pytest.raises(CheckpointError, match=f"{name}: not a readable"):
            load_start(trainer, str(tmp_path / name))
