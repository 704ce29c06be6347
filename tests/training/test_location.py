"""The quadratic of the position is the same in coordinates of the box and of the image."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from maskweave.training.export import ExportInfo, export_onnx
from maskweave.training.location import TERMS, absolute_terms, coordinate_maps
from maskweave.training.network import Architecture, CompactNet, normalise

pytestmark = pytest.mark.training

factor = st.floats(-8, 8, width=32)


@settings(max_examples=50)
@given(
    relative=st.lists(factor, min_size=TERMS, max_size=TERMS),
    corner=st.tuples(st.floats(-50, 300), st.floats(-50, 300)),
    sides=st.tuples(st.floats(8, 300), st.floats(8, 300)),
)
def test_both_forms_agree_everywhere_in_the_box(relative, corner, sides):
    box = np.array([*corner, corner[0] + sides[0], corner[1] + sides[1]])
    terms = absolute_terms(torch.tensor([[relative]]), torch.tensor(box[None, None], dtype=torch.float32))
    found = torch.einsum("k,khw->hw", terms[0, 0], coordinate_maps(75, 75, 4)).numpy()
    centres = (np.arange(75) + 0.5) * 4
    u = ((centres - box[0]) / sides[0] - 0.5)[None, :]
    v = ((centres - box[1]) / sides[1] - 0.5)[:, None]
    one, a, b, aa, ab, bb = relative
    expected = one + a * u + b * v + aa * u * u + ab * u * v + bb * v * v
    near = (np.abs(u) <= 0.5) & (np.abs(v) <= 0.5)
    np.testing.assert_allclose(found[near], expected[near], atol=0.02)


def test_a_box_of_no_extent_gives_finite_terms():
    assert absolute_terms(torch.ones(1, 1, TERMS), torch.full((1, 1, 4), 7.0)).isfinite().all()


def test_the_exported_graph_computes_the_same_terms(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="runs an exported network")
    torch.manual_seed(0)
    network = CompactNet(
        Architecture(2, widths=(8, 16, 16, 24, 32), depths=(1, 1, 1, 1), neck=16, prototypes=8)
    )
    torch.nn.init.normal_(network.location_out.weight)
    export_onnx(network, tmp_path / "m.onnx", ExportInfo(("a", "b")))
    images = np.random.default_rng(0).integers(0, 255, (2, 64, 96, 3), np.uint8)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    coefficients, prototypes = session.run(["coefficients", "prototypes"], {"image": images})
    with torch.no_grad():
        out = network.eval()(normalise(torch.from_numpy(images)))
    assert np.abs(out.coefficients[..., -TERMS:].numpy()).max() > 0.1
    np.testing.assert_allclose(coefficients, out.coefficients.numpy(), rtol=5e-2, atol=5e-2)
    np.testing.assert_array_equal(prototypes[:, -TERMS:], out.prototypes[:, -TERMS:].numpy())
