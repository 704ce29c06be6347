"""Whole runs on drawn shapes: they learn, they resume to the bit, they end decently when something breaks."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import onnx
import torch

from maskweave import training
from maskweave.training.annotations import read_training_set
from maskweave.training.cache import read_rgb
from maskweave.training.checkpoint import load_checkpoint, save_checkpoint
from maskweave.training.config import TrainConfig
from maskweave.training.errors import CheckpointError, LossNotFinite, TrainingDataError
from maskweave.training.export import ExportInfo, export_onnx
from maskweave.training.loop import STABLE, Trainer
from maskweave.training.network import normalize
from maskweave.training.run_folder import LAST
from maskweave.training.start import load_start
from tests.training.drawn import edit
from tests.training.learned import shapes_found
from tests.training.networks import random_network

pytestmark = pytest.mark.training


def properties(model_file):
    return {each.key: each.value for each in onnx.load(str(model_file)).metadata_props}


def assert_same_weights(ours, theirs):
    for (name, a), (_, b) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert torch.equal(a, b), name


def test_the_loss_falls(trained):
    assert np.mean(trained.losses[-5:]) < 0.6 * np.mean(trained.losses[:3])


def test_a_run_of_seconds_from_the_built_in_finds_the_drawn_shapes(trained):
    assert shapes_found(trained.model, trained.annotations) >= 12  # of 16


def test_the_file_says_what_it_is(trained):
    found = properties(trained.model)
    assert found["maskweave.family"] == "compact"
    assert json.loads(found["maskweave.class_names"]) == ["disc", "square"]
    assert found["maskweave.size"] == "96"
    assert found["maskweave.license"] == "CC0-1.0"
    assert trained.model.stat().st_size < 7e6


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_resumed_run_equals_one_that_was_never_stopped(settings, optimizer):
    settings["optimizer"] = optimizer
    whole = Trainer(TrainConfig(**settings))
    whole.run()
    stopped = Trainer(TrainConfig(**{**settings, "output": settings["output"].with_name("stopped")}))
    stopped.run(stop_at_step=3)
    assert stopped.step == 3
    resumed = Trainer(stopped.config)
    resumed.load(stopped.config.output / LAST)
    resumed.run()
    assert resumed.step == whole.step == 6
    assert_same_weights(resumed.network, whole.network)
    assert_same_weights(resumed.average.network, whole.average.network)
    assert (whole.config.output / STABLE).is_file()


@pytest.fixture
def leaky(tmp_path):
    """An exported network of leaky ReLUs that knows discs and stars."""
    export_onnx(random_network(slope=0.1), tmp_path / "leaky.onnx", ExportInfo(("disc", "star")))
    return str(tmp_path / "leaky.onnx")


def test_a_resumed_run_goes_on_with_its_teacher_and_its_slope(settings, leaky):
    content = json.loads(settings["annotations"].read_text())
    edit(settings["annotations"], images=[{**each, "labelled_categories": [9]} for each in content["images"]])
    options = {**settings, "start_from": leaky, "distill": True, "relu_by": 0.8}
    whole = Trainer(TrainConfig(**options))
    load_start(whole, leaky)
    whole.run()
    stopped = Trainer(TrainConfig(**{**options, "output": settings["output"].with_name("stopped")}))
    load_start(stopped, leaky)
    stopped.run(stop_at_step=3)
    assert 0 < stopped.network.slope < 0.1
    resumed = Trainer(stopped.config)
    resumed.load(stopped.config.output / LAST)
    assert resumed.network.slope == resumed.average.network.slope == stopped.network.slope
    assert (resumed.first_slope, resumed.teacher.slope) == (0.1, 0.1)
    assert resumed.taught.tolist() == [True, False]
    assert_same_weights(resumed.teacher, stopped.teacher)
    resumed.run()
    assert_same_weights(resumed.network, whole.network)
    assert_same_weights(resumed.average.network, whole.average.network)


def test_a_teacher_of_ones_own_weights_changes_what_is_learned(settings, leaky):
    content = json.loads(settings["annotations"].read_text())
    edit(settings["annotations"], images=[{**each, "labelled_categories": []} for each in content["images"]])
    losses = []
    for distill in (False, True):
        trainer = Trainer(
            TrainConfig(
                **{**settings, "output": settings["output"].with_name(str(distill)), "distill": distill}
            )
        )
        load_start(trainer, leaky)
        trainer.run(lambda _, parts: losses.append(parts.classes.item()), stop_at_step=1)
    assert losses[1] != losses[0]


def test_activations_end_as_relus(settings, leaky):
    config = TrainConfig(**{**settings, "start_from": leaky, "relu_by": 0.5})
    model_file = training.train(config)
    assert properties(model_file)["maskweave.slope"] == "0.0"
    assert "LeakyRelu" not in {node.op_type for node in onnx.load(str(model_file)).graph.node}


def test_without_that_they_stay_as_they_began(settings, leaky):
    trainer = Trainer(TrainConfig(**settings))
    load_start(trainer, leaky)
    trainer.run(stop_at_step=2)
    assert trainer.network.slope == trainer.average.network.slope == 0.1


def test_a_frozen_detector_stays_as_it_was_to_the_bit(settings, leaky):
    trainer = Trainer(TrainConfig(**settings, frozen=("backbone", "pyramid", "heads")))
    load_start(trainer, leaky)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    trainer.run(stop_at_step=2)
    for network in (trainer.network, trainer.average.network):
        for name, value in network.state_dict().items():
            assert name.startswith("masks.") or torch.equal(value, before[name]), name
        assert not torch.equal(network.masks.out.weight, before["masks.out.weight"])


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(settings):
    trainer = Trainer(TrainConfig(**settings))
    trainer.run(stop_at_step=1)
    before = (trainer.config.output / LAST).read_bytes()
    with torch.no_grad():
        trainer.network.heads[0].classes.bias.fill_(float("nan"))
    with pytest.raises(LossNotFinite, match=r"the loss of step 1 is nan.*last good checkpoint"):
        trainer.run()
    assert (trainer.config.output / LAST).read_bytes() == before


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(settings):
    trainer = Trainer(TrainConfig(**settings))
    trainer.network.heads[0].distances.weight.register_hook(lambda grad: grad * float("inf"))
    with pytest.raises(LossNotFinite, match="the gradient of step 0 is"):
        trainer.run()
    assert all(torch.isfinite(p).all() for p in trainer.network.parameters())
    assert load_checkpoint(trainer.config.output / LAST)["step"] == 0


def test_a_run_killed_while_it_saves_resumes_from_the_checkpoint_before(settings, monkeypatch):
    trainer = Trainer(TrainConfig(**settings))
    trainer.run(stop_at_step=1)
    last = trainer.config.output / LAST

    def die(state, out):
        out.write(b"half a checkpoint")
        raise SystemExit("killed")

    monkeypatch.setattr("maskweave.training.checkpoint.torch.save", die)
    with pytest.raises(SystemExit):
        trainer.save(LAST)
    monkeypatch.undo()
    again = Trainer(trainer.config)
    again.load(last)
    assert again.step == 1


def test_a_full_disk_is_told_and_the_old_checkpoint_stays(tmp_path, torch, monkeypatch):
    path = tmp_path / "last.pt"
    save_checkpoint(path, {"step": 1})

    def full(state, out):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maskweave.training.checkpoint.torch.save", full)
    with pytest.raises(CheckpointError, match=r"cannot be written.*No space left"):
        save_checkpoint(path, {"step": 2})
    monkeypatch.undo()
    assert load_checkpoint(path)["step"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_checkpoints_of_other_networks_and_damaged_ones_are_refused(settings, tmp_path):
    trainer = Trainer(TrainConfig(**settings))
    trainer.save(LAST)
    path = trainer.config.output / LAST
    one_class = TrainConfig(**{**settings, "classes": ("disc",), "output": tmp_path / "other"})
    with pytest.raises(CheckpointError, match=r"its architecture is .*this run needs"):
        Trainer(one_class).load(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        trainer.load(path)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        trainer.load(tmp_path / "none.pt")


def test_an_exported_file_can_be_trained_further(trained, settings):
    images = trained.annotations.parent / "images"
    second = Trainer(TrainConfig(**{**settings, "annotations": trained.annotations, "images": images}))
    load_start(second, str(trained.model))
    image = normalize(torch.from_numpy(read_rgb(images / "0.png"))[None])
    with torch.no_grad():
        ours, theirs = second.average.network(image), trained.trainer.average.network(image)
    torch.testing.assert_close(ours.class_logits.sigmoid(), theirs.class_logits.sigmoid(), atol=0.02, rtol=0)
    losses = []
    second.run(lambda _, parts: losses.append(parts.total.item()), stop_at_step=2)
    assert losses[0] < 0.8 * trained.losses[0]  # on views that differ more from their images than its own did


def test_the_whole_command_writes_a_run_folder(settings):
    seen = []
    config = TrainConfig(
        **{
            **settings,
            "epochs": 1,
            "val_annotations": settings["annotations"],
            "val_images": settings["images"],
        }
    )
    model_file = training.train(config, seen.append)
    assert model_file.is_file()
    names = {path.name for path in config.output.iterdir()}
    assert {"config.json", "last.pt", "model.onnx", "val.csv", "val"} <= names
    assert seen[-1].share == 1
    assert "mask AP50" in seen[-1].message
    assert len(list((config.output / "val").glob("*.jpg"))) == 6
    with pytest.raises(TrainingDataError, match="holds a run already"):
        training.train(config)


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path, torch):
    with pytest.raises(CheckpointError, match="holds no run to resume"):
        training.resume(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": None}, "exactly one of minutes and epochs"),
        ({"minutes": 3}, "exactly one of minutes and epochs"),
        ({"size": 100}, "size: need a multiple of 32"),
        ({"optimizer": "sgd"}, 'optimizer: need "muon" or "adamw"'),
        ({"relu_by": 1.0}, "relu_by: need a share of at least 0 and less than 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, changes, message):
    with pytest.raises(TrainingDataError, match=message):
        TrainConfig(**{**settings, **changes})


def test_settings_survive_json_and_recipes_name_unknown_keys(settings, tmp_path):
    config = TrainConfig(**settings, source_weights={"a": 0.5}, classes=("disc",))
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("lr = 0.002\nepochs = 3\n[augmentation]\nscale = [0.5, 2.0]\n")
    read = training.read_recipe(recipe, annotations=Path("a"), images=Path("b"), output=Path("c"))
    assert (read.lr, read.augmentation.scale) == (0.002, (0.5, 2.0))
    recipe.write_text("rate = 1")
    with pytest.raises(TrainingDataError, match="unknown settings: rate"):
        training.read_recipe(recipe)


def test_an_unreadable_image_is_named(settings):
    broken = sorted(settings["images"].iterdir())[0]
    broken.write_bytes(b"no image")
    data = read_training_set(settings["annotations"], settings["images"])
    with pytest.raises(TrainingDataError, match=f"{broken.name}: not a readable image"):
        Trainer(TrainConfig(**settings), data)


def test_a_fused_network_is_the_same_network(settings, monkeypatch):
    """`compile` trains through what torch.compile returns; the weights that are saved are the network's own."""
    asked = []

    def compiled(network, *, dynamic):
        asked.append(dynamic)
        return network.forward

    monkeypatch.setattr(torch, "compile", compiled)
    plain = Trainer(TrainConfig(**settings))
    plain.run(stop_at_step=2)
    fused = Trainer(
        TrainConfig(**settings | {"compile": True, "output": settings["output"].with_name("fused")})
    )
    fused.run(stop_at_step=2)
    assert asked == [False]
    for name, value in plain.network.state_dict().items():
        torch.testing.assert_close(fused.network.state_dict()[name], value, rtol=0, atol=0)
