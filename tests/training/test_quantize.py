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
from maskweave.training.fake_quantization import FakeQuantization
from maskweave.training.network import normalize
from maskweave.training.quantize import EXACT_LAYERS, calibration_images, of_one_shape, quantize
from tests.training.drawn import draw_data_set
from tests.training.networks import random_network

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A random network of ReLUs, exported in both forms; and the data set that it was calibrated on."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("quantize")
    path = draw_data_set(folder / "data")
    data = read_training_set(path, path.parent / "images")
    info = ExportInfo(data.class_names, size=96, license="CC0-1.0", version="3", experimental=("disc",))
    export_onnx(random_network(), folder / "fp32.onnx", info)
    quantize(folder / "fp32.onnx", calibration_images(data, 4), folder / "int8.onnx")
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


def convolutions(path):
    """Layer name of every convolution, and whether it computes in whole numbers."""
    graph = onnx.load(str(path)).graph
    made = {name: node for node in graph.node for name in node.output}
    found = {}
    for node in graph.node:
        if node.op_type == "Conv":
            source = made.get(node.input[1])
            whole = source is not None and source.op_type == "DequantizeLinear"
            name = source.input[0] if whole else node.input[1]
            found[name.split(".weight")[0]] = whole
    return found


def test_convolutions_are_whole_numbers_but_for_the_last_ones_of_heads_and_masks(exported):
    found = convolutions(exported[1])
    exact = {name for name, whole in found.items() if not whole}
    assert exact == set(EXACT_LAYERS)
    assert len(found) - len(exact) > 100
    for layer in (
        "backbone.stem.conv",
        "pyramid.extra_out.1.conv",
        "heads.3.tower.1.1.conv",
        "masks.fine.1.conv",
    ):
        assert found[layer], layer


def test_every_exact_layer_is_one_of_the_network(exported):
    assert set(EXACT_LAYERS) <= convolutions(exported[0]).keys()


def test_outputs_come_from_single_precision(exported):
    """Behind an exact convolution nothing is rounded any more; the features are the pyramid's own."""
    graph = onnx.load(str(exported[1])).graph
    made = {name: node for node in graph.node for name in node.output}
    rounded = set()
    for name in ("scores", "distances", "kernels", "prototypes"):
        node = made[name]
        while node.op_type != "Conv":
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                rounded.add(name)
            node = made[node.input[0]]
    assert rounded == set()


def test_int8_says_nearly_the_same(exported):
    fp32, int8, data = exported
    image = read_rgb(data.images[5].path)
    exact, rough = run(fp32, image), run(int8, image)
    for name in OUTPUTS:
        assert exact[name].shape == rough[name].shape
        similarity = np.corrcoef(exact[name].ravel(), rough[name].ravel())[0, 1]
        assert similarity > 0.9, name
    assert any(not np.array_equal(exact[name], rough[name]) for name in OUTPUTS)
    wide = np.zeros((64, 160, 3), np.uint8)  # sizes stay free
    assert run(int8, wide)["prototypes"].shape == run(fp32, wide)["prototypes"].shape
    assert int8.stat().st_size < 4e6


def test_the_same_images_are_drawn_for_the_same_seed(exported):
    data = exported[2]
    first, again, other = (list(calibration_images(data, 3, seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    assert len(list(calibration_images(data, 100))) == 6


def test_calibration_keeps_inputs_of_the_commonest_shape_and_not_too_many():
    inputs = [{"image": np.zeros((1, side, 64, 3), np.uint8)} for side in (32, 64, 64, 96, *[64] * 60)]
    kept = of_one_shape(inputs)
    assert len(kept) == 48
    assert all(each["image"].shape == (1, 64, 64, 3) for each in kept)
    assert of_one_shape([]) == []


def test_what_cannot_be_quantized_is_refused(exported, tmp_path):
    fp32, _, data = exported
    with pytest.raises(TrainingDataError, match="need at least one calibration image"):
        quantize(fp32, [], tmp_path / "out.onnx")
    with pytest.raises(TrainingError, match="layers nothing_out, found none"):
        quantize(fp32, calibration_images(data, 1), tmp_path / "out.onnx", exact_layers=("nothing_out",))
    assert list(tmp_path.iterdir()) == []


def test_training_that_rounds_loses_about_as_much_as_the_file(exported):
    fp32, int8, data = exported
    network = random_network()
    image = read_rgb(data.images[0].path)[:96, :96]
    with torch.no_grad(), FakeQuantization(network, EXACT_LAYERS):
        rounded = network(normalize(torch.from_numpy(image[None]))).features.numpy()
    exact = run(fp32, image)["features"]
    lost, lost_by_file = np.abs(rounded - exact).mean(), np.abs(run(int8, image)["features"] - exact).mean()
    assert 0.5 * lost_by_file < lost < 2 * lost_by_file
