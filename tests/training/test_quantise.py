"""INT8 files keep their contract and say, near enough, what the file they were made from says."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import onnx
import onnxruntime
import torch

from maskweave.models.loading import load_model
from maskweave.training.annotations import read_training_set
from maskweave.training.cache import read_rgb
from maskweave.training.errors import TrainingDataError, TrainingError
from maskweave.training.export import OUTPUTS, ExportInfo, export_onnx
from maskweave.training.network import Architecture, CompactNet, normalise
from maskweave.training.quantise import calibration_images, quantise
from tests.training.drawn import draw_data_set

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small random network whose normalisations have seen the drawn images, exported; and the data set."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("quantise")
    path = draw_data_set(folder / "data")
    data = read_training_set(path, path.parent / "images")
    torch.manual_seed(0)
    network = CompactNet(
        Architecture(2, widths=(8, 16, 16, 24, 32), depths=(1, 1, 1, 1), neck=16, prototypes=8)
    )
    images = normalise(torch.from_numpy(np.stack([read_rgb(record.path) for record in data.images])))
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
                module.weight.uniform_(0.5, 1.0)
        network.train()(images)
    info = ExportInfo(data.class_names, size=96, licence="CC0-1.0", version="3", experimental=("disc",))
    export_onnx(network, folder / "fp32.onnx", info)
    quantise(folder / "fp32.onnx", calibration_images(data, 4), folder / "int8.onnx")
    return folder / "fp32.onnx", folder / "int8.onnx", data


def metadata(path):
    return {each.key: each.value for each in onnx.load(str(path)).metadata_props}


def run(path, image):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"image": image[None]}), strict=True))


def test_metadata_inputs_and_outputs_stay(exported):
    fp32, int8, _ = exported
    assert metadata(int8) == metadata(fp32)
    assert metadata(int8)["maskweave.class_names"] == '["disc", "square"]'
    ours, theirs = onnx.load(str(int8)).graph, onnx.load(str(fp32)).graph
    assert [each.name for each in ours.output] == [each.name for each in theirs.output] == list(OUTPUTS)
    assert ours.input[0].type == theirs.input[0].type
    model = load_model(int8)
    assert (model.name, model.class_names) == ("int8", ("disc", "square"))
    model.close()


def test_convolutions_are_whole_numbers_but_for_the_heads(exported):
    graph = onnx.load(str(exported[1])).graph
    whole = {each.name for each in graph.initializer if each.data_type == onnx.TensorProto.INT8}
    exact = {each.name for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT}
    assert sum(name.startswith("stage") and name.endswith("weight.float_quantized") for name in whole) == 12
    for layer in ("class_out", "box_out", "coefficient_out", "prototypes.out"):
        assert any(name.startswith(f"{layer}.weight") for name in exact), layer
        assert not any(name.startswith(layer) for name in whole), layer


def test_int8_says_nearly_the_same(exported):
    fp32, int8, data = exported
    image = read_rgb(data.images[5].path)
    exact, rough = run(fp32, image), run(int8, image)
    for name in OUTPUTS:
        assert exact[name].shape == rough[name].shape
        likeness = np.corrcoef(exact[name].ravel(), rough[name].ravel())[0, 1]
        assert likeness > 0.98, name
    assert any(not np.array_equal(exact[name], rough[name]) for name in OUTPUTS)
    wide = np.zeros((64, 160, 3), np.uint8)  # sizes stay free
    assert run(int8, wide)["prototypes"].shape == run(fp32, wide)["prototypes"].shape


def test_the_same_images_are_drawn_for_the_same_seed(exported):
    data = exported[2]
    first, again, other = (list(calibration_images(data, 3, seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert len(list(calibration_images(data, 100))) == 6


def test_what_cannot_be_quantised_is_refused(exported, tmp_path):
    fp32, _, data = exported
    with pytest.raises(TrainingDataError, match="need at least one calibration image"):
        quantise(fp32, [], tmp_path / "out.onnx")
    with pytest.raises(TrainingError, match="layers nothing_out, found none"):
        quantise(fp32, calibration_images(data, 1), tmp_path / "out.onnx", exact_layers=("nothing_out",))
    assert list(tmp_path.iterdir()) == []
