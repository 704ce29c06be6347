"""The published NanoDet-Plus is read from either of its files, and says in our network what it says in its own."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch

from maskweave.ops.coco_names import COCO_NAMES
from maskweave.training.errors import CheckpointError
from maskweave.training.nanodet import CLASS_NAMES, SLOPE, is_nanodet, load_nanodet, read_nanodet
from maskweave.training.network import Architecture, CompactNet, normalize
from tests.training.published import published_answer, random_arrays, save_npz, save_onnx

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def arrays():
    torch.set_num_threads(1)
    return random_arrays()


@pytest.fixture(scope="module")
def files(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    return {"npz": save_npz(folder / "m.npz", arrays), "onnx": save_onnx(folder / "m.onnx", arrays)}


def images(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (2, 96, 64, 3), dtype=np.uint8)


def answer(network, pixels):
    """(N, P, classes + 32) logits."""
    with torch.no_grad():
        out = network.eval()(normalize(torch.from_numpy(pixels)))
    return torch.cat((out.class_logits, out.distances.flatten(2)), 2)


def loaded(path, rows):
    network = CompactNet(Architecture(len(rows)))
    load_nanodet(network, read_nanodet(path), rows)
    return network


@pytest.mark.parametrize("kind", ["npz", "onnx"])
def test_both_files_say_what_the_published_network_says(kind, files, arrays):
    network = loaded(files[kind], list(range(80)))
    expected = published_answer(arrays, images())
    assert network.slope == SLOPE
    assert expected.std(dim=1).mean() > 0.1
    torch.testing.assert_close(answer(network, images()), expected, atol=1e-3, rtol=1e-3)


def test_red_and_blue_are_not_mixed_up(files, arrays):
    network = loaded(files["npz"], list(range(80)))
    red = np.zeros((1, 64, 64, 3), np.uint8)
    red[..., 0] = 255
    expected, other = published_answer(arrays, red), published_answer(arrays, red[..., ::-1].copy())
    found = answer(network, red)
    assert (found - expected).abs().max() < 0.01 < (found - other).abs().max()


def test_class_rows_go_to_the_classes_of_their_names(files, arrays):
    torch.manual_seed(0)
    fresh = CompactNet(Architecture(3))
    torch.manual_seed(0)
    network = CompactNet(Architecture(3))
    load_nanodet(network, read_nanodet(files["npz"]), [16, None, 0])
    expected = published_answer(arrays, images())
    found = answer(network, images())
    torch.testing.assert_close(found[..., [0, 2]], expected[..., [16, 0]], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(network.heads[0].classes.weight[1], fresh.heads[0].classes.weight[1])


def test_the_mask_branch_is_left_alone(files):
    torch.manual_seed(0)
    fresh = CompactNet(Architecture(80))
    torch.manual_seed(0)
    network = CompactNet(Architecture(80))
    load_nanodet(network, read_nanodet(files["npz"]), list(range(80)))
    for name, value in fresh.masks.state_dict().items():
        assert torch.equal(network.masks.state_dict()[name], value), name


def test_the_classes_are_those_of_coco():
    assert CLASS_NAMES == COCO_NAMES


def test_its_files_are_told_from_exported_ones(files, tmp_path):
    from maskweave.training.export import ExportInfo, export_onnx

    export_onnx(CompactNet(Architecture(1)), tmp_path / "ours.onnx", ExportInfo(("a",)))
    assert [is_nanodet(path) for path in files.values()] == [True, True]
    assert not is_nanodet(tmp_path / "ours.onnx")
    assert not is_nanodet(tmp_path / "last.pt")


def narrower(arrays):
    """As NanoDet-Plus-m has them: the same names, fewer channels."""
    return arrays | {"backbone.stage2.0.branch1.2.weight": np.zeros((58, 24, 1, 1), np.float32)}


def test_other_networks_are_refused(arrays, tmp_path):
    missing = {name: array for name, array in arrays.items() if name != "head.gfl_cls.3.bias"}
    cases = {
        "arrays.npz": {"weights": np.zeros(3)},
        "missing.npz": missing,
        "narrower.npz": narrower(arrays),
    }
    for name, each in cases.items():
        with pytest.raises(CheckpointError, match=rf"{name}: need .*of NanoDet-Plus-m-1.5x"):
            read_nanodet(save_npz(tmp_path / name, each))
    with pytest.raises(
        CheckpointError, match=r"other.onnx: need the \d+ convolutions of NanoDet-Plus-m-1.5x"
    ):
        read_nanodet(save_onnx(tmp_path / "other.onnx", narrower(arrays)))


@pytest.mark.parametrize("name", ["broken.npz", "broken.onnx"])
def test_a_damaged_file_is_named(name, tmp_path):
    (tmp_path / name).write_bytes(b"PK\x03\x04 no weights")
    with pytest.raises(CheckpointError, match=f"{name}: not a readable"):
        read_nanodet(tmp_path / name)


@pytest.mark.shared
def test_the_published_weights_know_a_person(shared_data):
    path = shared_data / "teachers" / "nanodet_plus_m_1.5x_416.npz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the shared data")
    photos = pytest.importorskip("skimage.data", reason="needs a photo: pip install maskweave[demo]")
    network = loaded(path, list(range(80)))
    photo = photos.astronaut()[:256, 96:352]
    scores = answer(network, photo[None])[0, :, :80].sigmoid()
    assert int(scores.max(0).values.argmax()) == CLASS_NAMES.index("person")
    assert scores.max() > 0.5
