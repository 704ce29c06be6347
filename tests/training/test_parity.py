"""An exported file says in ONNX Runtime what the network says in torch, and gives the network back."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import onnx
import onnxruntime
import torch

from maskweave.catalog.download import pull
from maskweave.catalog.entries import find
from maskweave.models.loading import RuntimeOptions, load_model
from maskweave.training.errors import CheckpointError
from maskweave.training.export import OUTPUTS, ExportInfo, export_onnx
from maskweave.training.network import Architecture, CompactNet, normalize
from maskweave.training.weights import read_weights
from tests.training.networks import random_network

pytestmark = [pytest.mark.training, pytest.mark.engine]


def read_back(path):
    """The network of an exported file, its weights rounded to half precision as they are there."""
    weights, names, slope = read_weights(path)
    network = CompactNet(Architecture(len(names))).eval()
    fitting = {name: weights[name] for name in network.state_dict()}
    network.load_state_dict(fitting)
    network.set_slope(slope)
    return network


def torch_says(network, images):
    """What the file's outputs are, computed by torch."""
    with torch.no_grad():
        out = network(normalize(torch.from_numpy(images)))
    return {
        "scores": out.class_logits.sigmoid().transpose(1, 2).numpy(),
        "distances": out.distances.flatten(2).transpose(1, 2).numpy(),
        "kernels": out.kernels.transpose(1, 2).numpy(),
        "prototypes": out.prototypes.numpy(),
        "features": out.features.numpy(),
    }


def engine_says(path, images):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"image": images}), strict=True))


def assert_same(found, expected):
    for name in OUTPUTS:
        scale = float(expected[name].std())
        np.testing.assert_allclose(found[name], expected[name], atol=1e-3 * scale, err_msg=name)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Exported random networks by the slope of their activations."""
    folder = tmp_path_factory.mktemp("exported")
    for slope in (0.0, 0.1):
        network = random_network(slope=slope)
        export_onnx(network, folder / f"{slope}.onnx", ExportInfo(("a", "b"), size=64))
    return {slope: folder / f"{slope}.onnx" for slope in (0.0, 0.1)}


@pytest.mark.parametrize("shape", [(1, 32, 32), (2, 64, 96), (1, 160, 64)])
@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_torch_and_onnx_runtime_agree_at_any_size(files, slope, shape):
    images = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = torch_says(read_back(files[slope]), images)
    assert expected["scores"].std() > 0.01
    assert_same(engine_says(files[slope], images), expected)


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_what_is_read_back_is_what_was_exported(files, slope):
    network, again = random_network(slope=slope), read_back(files[slope])
    assert again.slope == network.slope == slope
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=1e-3, rtol=1e-3, msg=name)


def test_a_network_without_slope_has_plain_relus_and_large_weights_are_halved(files):
    graph = onnx.load(str(files[0.0])).graph
    assert {node.op_type for node in graph.node} & {"LeakyRelu", "PRelu", "BatchNormalization"} == set()
    kinds = {each.name: each.data_type for each in graph.initializer}
    assert kinds["backbone.stages.0.units.0.2.conv.weight"] == onnx.TensorProto.FLOAT16
    assert kinds["backbone.stem.conv.bias"] == onnx.TensorProto.FLOAT
    assert files[0.0].stat().st_size < 7e6


def test_files_that_hold_no_compact_network_are_refused(files, tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"broken.onnx: not a readable ONNX file"):
        read_weights(tmp_path / "broken.onnx")
    model = onnx.load(str(files[0.0]))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "foreign.onnx"))
    with pytest.raises(CheckpointError, match=r"foreign.onnx: need a compact model that MaskWeave exported"):
        read_weights(tmp_path / "foreign.onnx")


def test_the_model_in_the_package_says_the_same_on_a_photo():
    photos = pytest.importorskip("skimage.data", reason="needs a photo: pip install maskweave[demo]")
    path = pull(find("built-in"))[0]
    model = load_model(path, size=256, options=RuntimeOptions(threads=1))
    inputs = model.prepare(photos.astronaut()).inputs
    theirs = model.infer(inputs)
    model.close()
    ours = torch_says(read_back(path), inputs["image"])
    assert_same(theirs, ours)
    assert ours["scores"].max() > 0.3
