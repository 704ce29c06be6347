"""Results where NumPy, torch and pandas expect their own."""

import sys

import numpy as np
import pytest

from maskweave.errors import MissingDependency
from maskweave.types import Instances, Masks, SemanticMap

DENSE = np.zeros((2, 4, 5), bool)
DENSE[0, 1:3, 1:4] = DENSE[1, 0, 0] = True


def pair(**columns):
    masks = Masks.from_dense(DENSE)
    return Instances(masks, masks.boxes, [0.9, 0.4], [1, 0], ("cat", "dog"), **columns)


def test_masks_are_a_dense_array_to_numpy():
    assert (np.asarray(pair().masks) == DENSE).all()
    assert np.asarray(pair().masks, dtype=np.uint8).dtype == np.uint8


def test_masks_cannot_be_an_array_without_a_copy():
    with pytest.raises(ValueError, match="need to make the dense array"):
        pair().masks.__array__(copy=False)


def test_masks_go_through_dlpack():
    assert (np.from_dlpack(pair().masks) == DENSE).all()


@pytest.mark.training
def test_torch_takes_masks():
    torch = pytest.importorskip("torch", reason="needs torch: pip install torch")
    assert torch.from_dlpack(pair().masks).sum(dim=(1, 2)).tolist() == [6, 1]


def test_a_class_map_is_its_array_to_numpy():
    class_map = np.array([[0, 1], [1, 1]], np.uint8)
    semantic = SemanticMap(class_map, ("a", "b"))
    assert np.asarray(semantic) is semantic.class_map
    assert np.array(semantic) is not semantic.class_map
    assert np.asarray(semantic, dtype=np.int64).tolist() == class_map.tolist()
    with pytest.raises(ValueError, match="need a copy to make uint8 int64"):
        semantic.__array__(np.dtype(np.int64), copy=False)


def test_a_data_frame_has_a_row_for_each_object():
    pytest.importorskip("pandas", reason="needs pandas: pip install pandas")
    table = pair(track_ids=[7, 9]).to_dataframe()
    assert list(table.columns) == ["track_id", "class", "class_id", "score", "x1", "y1", "x2", "y2", "area"]
    assert table.to_dict("records")[0] == {
        "track_id": 7, "class": "dog", "class_id": 1, "score": 0.9, "x1": 1.0, "y1": 1.0, "x2": 4.0, "y2": 3.0,
        "area": 6,
    }  # fmt: skip


def test_without_pandas_what_to_install_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        MissingDependency, match="to_dataframe: need pandas, which is not installed; run pip install pandas"
    ):
        pair().to_dataframe()
