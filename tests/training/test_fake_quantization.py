"""Training that rounds as INT8 files do: what it computes is what the quantized file says, and it can still learn."""

import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch
from torch import nn

from maskweave.training.fake_quantization import FakeQuantization

pytestmark = pytest.mark.training


class TwoLayers(nn.Module):
    """Two convolutions and a sum."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.out = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x):
        return self.out(torch.relu(self.first(x))) + x


@pytest.fixture
def images():
    torch.manual_seed(1)
    return torch.rand(2, 3, 16, 16)


def test_what_is_read_has_at_most_256_values(images):
    network = nn.Sequential(nn.Identity(), nn.Conv2d(3, 3, 1, groups=3, bias=False))
    nn.init.ones_(network[1].weight)
    with FakeQuantization(network, ()):
        rounded = network(images)
    assert len(images.unique()) > 256 >= len(rounded.unique())
    assert (rounded - images).abs().max() < 1.5 / 255 * images.max()


def test_rounding_is_felt_and_small(images):
    network = TwoLayers()
    plain = network(images)
    with FakeQuantization(network, ()):
        rounded = network(images)
    assert 0 < (rounded - plain).abs().mean() < 0.02 * plain.abs().mean()


def test_exact_layers_are_left_exact(images):
    network = TwoLayers()
    with FakeQuantization(network, ("first.", "out.")):
        left = network.out(network.first(images))
    assert torch.equal(left, network.out(network.first(images)))


def test_gradients_pass_through_the_rounding(images):
    network = TwoLayers()
    network(images).square().mean().backward()
    plain = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    with FakeQuantization(network, ()):
        rounded = network(images)
    rounded.square().mean().backward()
    for parameter, before in zip(network.parameters(), plain, strict=True):
        assert torch.nn.functional.cosine_similarity(parameter.grad.flatten(), before.flatten(), 0) > 0.98


def test_ranges_follow_what_is_seen(images):
    network = TwoLayers()
    rounding = FakeQuantization(network, ())
    exact = network(4 * images)

    def error():
        with rounding:
            return float((network(4 * images) - exact).detach().abs().mean())

    with rounding:
        network(images)  # a range of a quarter, which clips what comes now
    clipped = error()
    for _ in range(40):
        error()
    assert error() < 0.2 * clipped
