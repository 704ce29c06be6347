"""The model in the package says the same in torch and in ONNX Runtime."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch

from maskweave.catalogue.download import pull
from maskweave.catalogue.entries import find
from maskweave.models.loading import EngineOptions, load_model
from maskweave.training.network import Architecture, CompactNet, normalise
from maskweave.training.unfold import load_file_weights, read_file_weights

pytestmark = [pytest.mark.training, pytest.mark.engine]


@pytest.mark.parametrize("photo", ["astronaut", "chelsea"])
def test_torch_and_onnx_runtime_agree_on_a_photo(photo):
    photos = pytest.importorskip("skimage.data", reason="needs a photo: pip install maskweave[demo]")
    path = pull(find("built-in"))[0]
    model = load_model(path, size=320, options=EngineOptions(threads=1))
    inputs = model.prepare(getattr(photos, photo)()).inputs
    theirs = model.infer(inputs)
    model.close()
    weights, names = read_file_weights(path)
    network = CompactNet(Architecture(len(names)))
    images = normalise(torch.from_numpy(inputs["image"]))
    load_file_weights(network, weights, images, path)
    for part in ("weight", "bias"):
        getattr(network.class_out, part).data.copy_(weights[f"class_out.{part}"])
    with torch.no_grad():
        ours = network(images)
    scores = theirs["scores"][0]
    np.testing.assert_allclose(ours.class_logits.sigmoid()[0].numpy(), scores, atol=1e-3)
    sure = scores.max(1) > 0.3
    assert sure.any()
    np.testing.assert_allclose(ours.boxes[0].numpy()[sure], theirs["boxes"][0][sure], atol=0.1)
    masks = [
        np.tensordot(coefficients[sure], prototypes, axes=1) > 0
        for coefficients, prototypes in (
            (ours.coefficients[0].numpy(), ours.prototypes[0].numpy()),
            (theirs["coefficients"][0], theirs["prototypes"][0]),
        )
    ]
    shared, union = (masks[0] & masks[1]).sum((1, 2)), (masks[0] | masks[1]).sum((1, 2))
    assert (shared >= 0.999 * union).all()
