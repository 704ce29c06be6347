"""Evened-out channels: the network computes what it did, and no channel is left narrow."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskweave.training.equalize import equalize, links

GENERATOR = np.random.default_rng(5)
NARROW = np.array([1, 0.5, 0.1, 0.02], dtype=np.float32)


def convolution(name, inputs, outputs, source, *, depthwise=False):
    """A 3x3 convolution node and its weights; channels of its output differ fifty-fold."""
    shape = (outputs, 1 if depthwise else inputs, 3, 3)
    weight = GENERATOR.normal(size=shape).astype(np.float32) * NARROW[:outputs, None, None, None]
    bias = GENERATOR.normal(size=outputs).astype(np.float32) * NARROW[:outputs]
    node = helper.make_node(
        "Conv",
        [source, f"{name}.weight", f"{name}.bias"],
        [name],
        group=inputs if depthwise else 1,
        pads=[1, 1, 1, 1],
    )
    return node, [
        numpy_helper.from_array(each, f"{name}.{part}") for each, part in ((weight, "weight"), (bias, "bias"))
    ]


def network(nodes, outputs):
    """A model of nodes and (node, weights) pairs from a (1, 4, 8, 8) image to the named outputs."""
    layers = [each if isinstance(each, tuple) else (each, []) for each in nodes]
    shape = (1, 4, 8, 8)
    graph = helper.make_graph(
        [node for node, _ in layers],
        "drawn",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in outputs],
        [weight for _, weights in layers for weight in weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def values(model, *names):
    """What tensors of a model hold for one random image."""
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    known = {each.name for each in shown.graph.output}
    shown.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in names if name not in known
    )
    session = onnxruntime.InferenceSession(shown.SerializeToString(), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).normal(size=(1, 4, 8, 8)).astype(np.float32)
    return session.run(list(names), {"image": image})


def maxima(model):
    names = [link.tensor for link in links(model.graph)]
    return {
        name: np.abs(each).max((0, 2, 3)) for name, each in zip(names, values(model, *names), strict=True)
    }


def spread(model, name):
    """How many times wider the widest channel of a tensor is than the narrowest."""
    widths = maxima(model)[name]
    return widths.max() / widths.min()


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", None])
@pytest.mark.parametrize("depthwise", [True, False])
def test_the_result_stays_and_the_channels_come_closer(activation, depthwise):
    first = convolution("first", 4, 4, "image")
    between = "between" if activation else "first"
    active = [helper.make_node(activation, ["first"], ["between"])] if activation else []
    model = network([first, *active, convolution("second", 4, 4, between, depthwise=depthwise)], ["second"])
    before, wide = values(model, "second")[0], spread(model, between)
    equalize(model, maxima(model))
    np.testing.assert_allclose(values(model, "second")[0], before, rtol=1e-4, atol=1e-5)
    assert spread(model, between) < (wide / 10 if depthwise else wide / 3)


def test_weights_that_two_convolutions_share_are_left_alone():
    shared, weights = convolution("shared", 4, 4, "left", depthwise=True)
    again = helper.make_node("Conv", ["right", *shared.input[1:]], ["again"], group=4, pads=[1, 1, 1, 1])
    left, right = (convolution(name, 4, 4, "image") for name in ("left", "right"))
    model = network([left, right, (shared, weights), again], ["shared", "again"])
    assert links(model.graph) == []


def test_a_tensor_with_two_readers_or_that_is_an_output_is_left_alone():
    first, second = convolution("first", 4, 4, "image"), convolution("second", 4, 4, "first")
    relu = helper.make_node("Relu", ["first"], ["other"])
    assert links(network([first, second, relu], ["second", "other"]).graph) == []
    assert links(network([first, second], ["first", "second"]).graph) == []


def test_what_does_not_pass_a_factor_through_ends_the_search():
    sigmoid = helper.make_node("Sigmoid", ["first"], ["between"])
    nodes = [convolution("first", 4, 4, "image"), sigmoid, convolution("second", 4, 4, "between")]
    assert links(network(nodes, ["second"]).graph) == []


def test_a_channel_that_is_always_zero_does_no_harm():
    first, second = convolution("first", 4, 4, "image"), convolution("second", 4, 4, "first")
    model = network([first, second], ["second"])
    before = values(model, "second")[0]
    equalize(model, {"first": np.zeros(4, dtype=np.float32)})
    np.testing.assert_array_equal(values(model, "second")[0], before)
