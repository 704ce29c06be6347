"""A stage whose shuffles are folded into the order of its channels is the stage that shuffles."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from maskweave.training.network import Stage
from maskweave.training.shuffle import plan_stage

pytestmark = pytest.mark.training


def random_stage(inputs, plan, seed):
    torch.manual_seed(seed)
    stage = Stage(inputs, plan)
    for parameter in stage.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return stage.eval()


def shuffled_stage(stage, x):
    """The output of the stage that has these weights in the order in which ShuffleNet V2 has its channels."""
    plan = stage.plan

    def made(convolutions, x, number, reads=None):
        """A branch whose first layer's inputs and last layer's outputs are put back into the published order."""
        for index, layer in enumerate(convolutions):
            weight, bias = layer.conv.weight, layer.conv.bias
            if index == 0 and reads is not None:
                weight = weight[:, np.argsort(reads)]
            if index == len(convolutions) - 1:
                back = np.argsort(plan.orders[number])
                weight, bias = weight[back], bias[back]
            x = functional.conv2d(
                x, weight, bias, layer.conv.stride, layer.conv.padding, groups=layer.conv.groups
            )
            x = functional.relu(x) if layer.active else x
        return x

    first, second = made(stage.shortcut, x, 0), made(stage.units[0], x, 1)
    for number in range(1, plan.units + 1):
        joined = torch.cat((first, second), 1)
        count, channels, height, width = joined.shape
        x = joined.view(count, 2, channels // 2, height, width).transpose(1, 2).reshape(joined.shape)
        if number < plan.units:
            first, second = x.chunk(2, 1)
            second = made(stage.units[number], second, 1 + number, plan.read_orders[number - 1])
    return x


@given(half=st.integers(1, 24), units=st.integers(1, 8), inputs=st.integers(1, 6), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_a_stage_computes_what_a_shuffling_one_does(half, units, inputs, seed):
    stage = random_stage(inputs, plan_stage(2 * half, units), seed)
    x = torch.randn(2, inputs, 8, 6)
    with torch.no_grad():
        expected = shuffled_stage(stage, x)[:, stage.plan.output_order]
        torch.testing.assert_close(stage(x), expected, atol=1e-5, rtol=1e-4)


@given(half=st.integers(1, 60), units=st.integers(1, 8))
def test_every_channel_is_read_once(half, units):
    plan = plan_stage(2 * half, units)
    readers = (*plan.reads, plan.output)
    for source, order in enumerate(plan.orders):
        assert sorted(order.tolist()) == list(range(half))
        taken = sorted(each[1:] for reader in readers for each in reader if each[0] == source)
        assert [first for first, _ in taken] == [0, *(last for _, last in taken[:-1])]
        assert taken[-1][1] == half
    widths = [sum(last - first for _, first, last in reader) for reader in readers]
    assert widths == [half] * (units - 1) + [2 * half]


def test_the_stages_of_the_network_are_read_in_few_slices():
    for channels, units in ((176, 4), (352, 8), (704, 4)):
        plan = plan_stage(channels, units)
        assert all(len(reader) <= units + 1 for reader in (*plan.reads, plan.output))
