import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskweave.annotations.detections import from_detections, to_detections
from maskweave.errors import InvalidValue, MissingDependency
from maskweave.result import Result
from maskweave.types import Frame
from tests.annotations.scenes import SIZE, objects, plain, records, rectangle

supervision = pytest.importorskip("supervision", reason="needs the extra [supervision]")


@given(records(), st.booleans())
@settings(max_examples=30)
def test_everything_comes_back(record, tracked):
    count = len(record.instances)
    before = record.instances.replace(
        scores=np.linspace(0, 1, count), track_ids=np.arange(count) if tracked else None
    )
    after = from_detections(to_detections(before), before.size, class_names=before.class_names)
    assert after.masks == before.masks
    assert after.names == before.names
    np.testing.assert_allclose(after.scores, before.scores, atol=1e-6)
    np.testing.assert_allclose(after.boxes, before.boxes, atol=1e-4)
    np.testing.assert_array_equal(after.class_ids, before.class_ids)
    assert (after.track_ids is None) == (not tracked)


def test_a_result_goes_there_and_back():
    image = np.zeros((*SIZE, 3), np.uint8)
    result = Result(Frame(image), plain().instances)
    detections = result.to_supervision()
    assert isinstance(detections, supervision.Detections)
    assert detections.area.tolist() == [35, 63]
    assert detections.data["class_name"].tolist() == ["person", "car"]
    back = Result.from_supervision(detections[detections.class_id == 1], image)
    assert back.instances.names == ("car",)
    assert back.instances.masks.areas.tolist() == [63]


def test_detections_of_others_may_carry_less():
    dense = np.stack([rectangle(1, 1, 6, 8)])
    bare = supervision.Detections(xyxy=np.array([[1.0, 1, 6, 8]]), mask=dense, class_id=np.array([2]))
    found = from_detections(bare, SIZE)
    assert (found.names, found.scores.tolist(), found.track_ids) == (("class 2",), [1.0], None)


@pytest.mark.parametrize(
    ("mask", "message"), [(None, "need detections with masks"), (np.ones((1, 3, 3), bool), "size")]
)
def test_detections_that_do_not_fit_are_told(mask, message):
    with pytest.raises(InvalidValue, match=message):
        from_detections(supervision.Detections(xyxy=np.array([[1.0, 1, 2, 2]]), mask=mask), SIZE)


def test_without_the_package_the_extra_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingDependency, match=r"pip install 'maskweave\[supervision\]'"):
        to_detections(objects(np.zeros((0, 2, 2), bool)))
