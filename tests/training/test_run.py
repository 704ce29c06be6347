"""Whole runs on drawn shapes: they learn, they resume to the bit, they end decently when something breaks."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch

from maskweave import training
from maskweave.evaluation.coco_truth import read_coco_truth
from maskweave.models.loading import load_model
from maskweave.ops.iou import mask_iou
from maskweave.training.annotations import read_training_set
from maskweave.training.augment import Augmentation
from maskweave.training.cache import read_rgb
from maskweave.training.checkpoint import load_checkpoint, save_checkpoint
from maskweave.training.config import TrainConfig
from maskweave.training.errors import CheckpointError, LossNotFinite, TrainingDataError
from maskweave.training.export import ExportInfo, export_onnx
from maskweave.training.loop import LAST, STABLE, Trainer
from maskweave.training.network import normalise

pytestmark = pytest.mark.training
GENTLE = Augmentation(scale=(0.9, 1.1), colour=0.1, flip=0.5, grey=0.0, paste=0.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network that has seen the drawn shapes often enough to know them; with its exported file."""
    from tests.training.drawn import draw_data_set

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    path = draw_data_set(folder / "data", images=8)
    config = TrainConfig(
        path, path.parent / "images", folder / "run", size=96, start_size=96, batch_size=8, epochs=90, workers=0,
        warmup_steps=5, lr=4e-3, ema=0.95, precision="fp32", device="cpu", augmentation=GENTLE, checkpoint_minutes=60,
    )  # fmt: skip
    trainer = Trainer(config)
    losses = []
    trainer.run(lambda _, parts: losses.append(parts.total.item()))
    model_file = folder / "model.onnx"
    info = ExportInfo(trainer.data.class_names, size=96, licence="CC0-1.0", version="3")
    export_onnx(trainer.average.network, model_file, info)
    return trainer, losses, model_file, path


def test_the_loss_falls(trained):
    _, losses, _, _ = trained
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:5])


def test_the_exported_model_finds_the_drawn_shapes(trained):
    _, _, model_file, path = trained
    model = load_model(model_file)
    assert model.class_names == ("disc", "square")
    found = 0
    truths = read_coco_truth(path, model.class_names)
    for truth in truths:
        predicted = model.predict(read_rgb(path.parent / "images" / truth.file_name), score=0.3)
        overlap = mask_iou(truth.instances.masks, predicted.masks)
        same = truth.instances.class_ids[:, None] == predicted.class_ids[None]
        found += int(((overlap * same).max(axis=1, initial=0) > 0.7).sum())
    model.close()
    assert found >= 13  # of 16


@pytest.mark.parametrize("shape", [(1, 64, 96), (2, 96, 64)])
def test_torch_and_onnx_runtime_agree(trained, shape):
    import onnxruntime

    trainer, _, model_file, path = trained
    image = read_rgb(next((path.parent / "images").glob("*.png")))
    images = np.stack([image[: shape[1], : shape[2]]] * shape[0])
    session = onnxruntime.InferenceSession(str(model_file), providers=["CPUExecutionProvider"])
    boxes, scores, coefficients, prototypes, features = session.run(None, {"image": images})
    half = {
        k: v.half().float() if v.is_floating_point() else v
        for k, v in trainer.average.network.state_dict().items()
    }
    assert half  # the file's weights are rounded to half precision: compare within what that changes
    with torch.no_grad():
        out = trainer.average.network(normalise(torch.from_numpy(images)))
    np.testing.assert_allclose(scores, out.class_logits.sigmoid().numpy(), atol=0.02)
    sure = scores.max(-1) > 0.3
    np.testing.assert_allclose(boxes[sure], out.boxes.numpy()[sure], atol=0.4)
    masks = [
        np.einsum("npk,nkhw->nphw", c, p)[sure] > 0
        for c, p in ((coefficients, prototypes), (out.coefficients.numpy(), out.prototypes.numpy()))
    ]
    assert (masks[0] & masks[1]).sum() / max((masks[0] | masks[1]).sum(), 1) > 0.99
    assert features.shape == out.features.shape


def test_the_file_says_what_it_is(trained):
    import onnx

    properties = {p.key: p.value for p in onnx.load(trained[2]).metadata_props}
    assert properties["maskweave.family"] == "compact"
    assert json.loads(properties["maskweave.class_names"]) == ["disc", "square"]
    assert properties["maskweave.size"] == "96"
    assert properties["maskweave.licence"] == "CC0-1.0"
    assert trained[2].stat().st_size < 8e6


def test_a_resumed_run_equals_one_that_was_never_stopped(settings):
    whole = Trainer(TrainConfig(**settings))
    whole.run()
    stopped = Trainer(TrainConfig(**{**settings, "output": settings["output"].with_name("stopped")}))
    stopped.run(stop_at_step=3)
    assert stopped.step == 3
    resumed = Trainer(stopped.config)
    resumed.load(stopped.config.output / LAST)
    resumed.run()
    assert resumed.step == whole.step == 6
    for ours, theirs in ((resumed.network, whole.network), (resumed.average.network, whole.average.network)):
        for (name, a), (_, b) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
            assert torch.equal(a, b), name
    assert (whole.config.output / STABLE).is_file()


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(settings):
    trainer = Trainer(TrainConfig(**settings))
    trainer.run(stop_at_step=1)
    before = (trainer.config.output / LAST).read_bytes()
    with torch.no_grad():
        trainer.network.class_out.bias.fill_(float("nan"))
    with pytest.raises(LossNotFinite, match=r"the loss of step 1 is nan.*last good checkpoint"):
        trainer.run()
    assert (trainer.config.output / LAST).read_bytes() == before


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(settings):
    trainer = Trainer(TrainConfig(**settings))
    trainer.network.box_out.weight.register_hook(lambda grad: grad * float("inf"))
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


def test_weights_start_a_run_with_other_classes(settings, tmp_path):
    from maskweave.training.start import load_start, save_small

    first = Trainer(TrainConfig(**settings))
    first.save(LAST)
    small = tmp_path / "small.pt"
    save_small([(first.config.output / LAST, 1.0)], small)
    assert small.stat().st_size < 20e6
    config = TrainConfig(**{**settings, "classes": ("square",), "output": tmp_path / "second", "seed": 5})
    second = Trainer(config)
    load_start(second, str(small))
    mine, theirs = second.network.state_dict(), first.network.state_dict()
    torch.testing.assert_close(
        mine["class_out.weight"][0], theirs["class_out.weight"][1], atol=1e-3, rtol=1e-2
    )
    torch.testing.assert_close(
        mine["backbone.stem.conv.weight"], theirs["backbone.stem.conv.weight"], atol=1e-3, rtol=1e-2
    )


def test_the_mean_of_two_runs_in_the_shares_asked_for(settings, tmp_path):
    from maskweave.training.start import save_small

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


def test_an_exported_file_can_be_trained_further(trained, settings):
    from maskweave.training.start import load_start

    trainer, _, model_file, path = trained
    images = path.parent / "images"
    config = TrainConfig(**{**settings, "annotations": path, "images": images, "start_from": str(model_file)})
    second = Trainer(config)
    load_start(second, str(model_file))
    image = normalise(torch.from_numpy(read_rgb(images / "0.png"))[None])
    with torch.no_grad():
        ours, theirs = second.average.network(image), trainer.average.network(image)
    torch.testing.assert_close(ours.class_logits.sigmoid(), theirs.class_logits.sigmoid(), atol=0.02, rtol=0)
    torch.testing.assert_close(ours.prototypes, theirs.prototypes, atol=0.1, rtol=0.05)
    losses = []
    second.run(lambda _, parts: losses.append(parts.total.item()), stop_at_step=2)
    assert losses[0] < 0.6 * trained[1][0]


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
    assert seen[-1].scores is not None
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
        ({"optimiser": "sgd"}, 'optimiser: need "muon" or "adamw"'),
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
    broken.write_bytes(b"no picture")
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
    fused = Trainer(
        TrainConfig(**settings | {"compile": True, "output": settings["output"].with_name("fused")})
    )
    plain.run(stop_at_step=2)
    fused.run(stop_at_step=2)
    assert asked == [False]
    for name, value in plain.network.state_dict().items():
        torch.testing.assert_close(fused.network.state_dict()[name], value, rtol=0, atol=0)
