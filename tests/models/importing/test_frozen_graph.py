"""Reading constants out of frozen graphs, whole ones and all kinds of broken ones."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.proto.graph_pb2 import GraphDef

from maskweave.errors import ModelError, NotAModel, UnknownLayout
from maskweave.models.importing import frozen_graph
from maskweave.models.importing.frozen_graph import read_frozen_graph
from tests.models.classic import write_frozen
from tests.models.graphs import constant, node

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


def graph_of(*nodes, path):
    path.write_bytes(GraphDef(node=nodes).SerializeToString())
    return read_frozen_graph(path)


def changed(**fields):
    """A constant ``w`` of shape (2, 3) whose tensor has other contents."""
    made = constant("w", VALUES)
    tensor = made.attr["value"].tensor
    for name, value in fields.items():
        if name == "shape":
            for dim, size in zip(tensor.tensor_shape.dim, value, strict=True):
                dim.size = size
        elif name.endswith("_val"):
            tensor.ClearField("tensor_content")
            getattr(tensor, name).extend(value)
        else:
            setattr(tensor, name, value)
    return made


def test_constants_by_name_and_shape(tmp_path):
    graph = graph_of(
        node("x", "Placeholder", dtype=1), constant("w", VALUES), constant("s", np.float32(3)),
        path=tmp_path / "a.pb",
    )  # fmt: skip
    np.testing.assert_array_equal(graph.constant("w", (2, None)), VALUES)
    assert graph.constant("s", ()) == 3


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"float_val": [1, 2, 3, 4, 5, 6]}, [[1, 2, 3], [4, 5, 6]]),
        ({"float_val": [1, 2]}, [[1, 2, 2], [2, 2, 2]]),
        ({"float_val": [7]}, [[7, 7, 7], [7, 7, 7]]),
        ({"dtype": 19, "half_val": [0x3C00, 0xC000]}, [[1, -2, -2], [-2, -2, -2]]),
        ({"dtype": 19, "tensor_content": VALUES.astype(np.float16).tobytes()}, VALUES),
    ],
    ids=["floats", "short", "one", "halves", "half-bytes"],
)
def test_every_way_in_which_tensorflow_writes_numbers(tmp_path, fields, expected):
    graph = graph_of(changed(**fields), path=tmp_path / "a.pb")
    np.testing.assert_array_equal(graph.constant("w", (2, 3)), expected)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dtype": 3}, "need w to be float32 or float16, got TensorFlow's type 3"),
        ({"tensor_content": b"12345"}, "w needs 4 bytes a number, got 5 bytes"),
        ({"tensor_content": VALUES.tobytes() + b"1234"}, r"w \(2, 3\) needs 6 numbers, got 7"),
        ({"float_val": []}, r"w \(2, 3\) needs 6 numbers, got 0"),
        ({"float_val": [np.nan]}, "need finite numbers in w"),
        ({"shape": (-1, 3)}, r"w cannot have the shape \(-1, 3\)"),
        ({"shape": (1 << 40, 1 << 40)}, "w cannot have the shape"),
    ],
)
def test_damaged_constants(tmp_path, fields, message):
    graph = graph_of(changed(**fields), path=tmp_path / "a.pb")
    with pytest.raises(NotAModel, match=rf"^a.pb: {message}"):
        graph.constant("w", (None, None))


def test_other_networks(tmp_path):
    graph = graph_of(constant("w", VALUES), path=tmp_path / "a.pb")
    with pytest.raises(UnknownLayout, match=r"a.pb: need the constant b \(any\), it has none of that name"):
        graph.constant("b", (None,))
    with pytest.raises(UnknownLayout, match=r"need the constant w \(3, any\), got \(2, 3\)"):
        graph.constant("w", (3, None))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "got an empty file"),
        (b"\x89PNG\r\n\x1a\n not a graph", "need a frozen TensorFlow graph"),
        (GraphDef(node=[node("x", "Placeholder", dtype=1)]).SerializeToString(), "without constants"),
    ],
)
def test_files_that_are_no_frozen_graph(tmp_path, data, message):
    path = tmp_path / "a.pb"
    path.write_bytes(data)
    with pytest.raises(NotAModel, match=rf"^a.pb: .*{message}"):
        read_frozen_graph(path)


def test_no_file_and_a_file_that_is_too_large(tmp_path, monkeypatch):
    with pytest.raises(NotAModel, match="found nothing"):
        read_frozen_graph(tmp_path / "none.pb")
    with pytest.raises(NotAModel, match="found a folder"):
        read_frozen_graph(tmp_path)
    path = write_frozen({"w": VALUES}, tmp_path / "a.pb")
    monkeypatch.setattr(frozen_graph, "_MAX_BYTES", 10)
    with pytest.raises(NotAModel, match="of at most 10 bytes, got"):
        read_frozen_graph(path)


@given(data=st.data())
def test_a_damaged_file_is_refused_or_read(tmp_path_factory, data):
    """Any byte may be another and the file may end anywhere: a typed error, or numbers of the right shape."""
    path = write_frozen({"w": VALUES, "v": VALUES[0]}, tmp_path_factory.mktemp("fuzz") / "a.pb")
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(ModelError):
        assert read_frozen_graph(path).constant("w", (2, 3)).shape == (2, 3)
