import sys

import numpy as np
import pytest

from maskweave.errors import InvalidValue, MissingDependency
from maskweave.evaluation.tracking import TrackingClip, score_tracking
from maskweave.types import Instances, Masks

SIZE = (20, 60)


def objects(**columns):
    """Squares of 10 pixels: ``a7=30`` is id 7 at column 30."""
    ids = np.array([int(name[1:]) for name in columns], int)
    masks = Masks(
        [np.ones((10, 10), bool)] * len(ids), np.array([(x, 5) for x in columns.values()], int), SIZE
    )
    return Instances(masks, masks.boxes, np.ones(len(ids)), np.zeros(len(ids), int), ("cat",), track_ids=ids)


def clip(*pairs):
    collected = TrackingClip()
    for truth, found in pairs:
        collected.add(truth, found)
    return collected


def score(*clips):
    pytest.importorskip("trackeval", reason="HOTA needs the library trackeval")
    return score_tracking(clips)


def test_a_perfect_result_with_numbers_of_its_own():
    result = score(clip(*[(objects(a1=0, a2=30), objects(a41=0, a9=30))] * 4))
    assert (result.hota, result.idf1, result.mota, result.switches) == pytest.approx((1, 1, 1, 0))


def test_a_switch_by_hand():
    """One object, four frames, its number changes after two: each identity covers half."""
    truth = objects(a1=0)
    result = score(clip(*[(truth, objects(a1=0))] * 2, *[(truth, objects(a2=0))] * 2))
    assert result.switches == 1
    assert result.mota == pytest.approx(1 - 1 / 4)
    assert result.idf1 == pytest.approx(2 * 2 / (4 + 4))
    assert result.ass_a == pytest.approx(0.5)
    assert result.hota == pytest.approx(np.sqrt(0.5))


def test_misses_and_false_objects_by_hand():
    result = score(clip((objects(a1=0, a2=30), objects(a1=0)), (objects(a1=0, a2=30), objects(a1=0, a3=45))))
    assert result.mota == pytest.approx(1 - 3 / 4)  # object 2 missed twice, object 3 false
    assert result.switches == 0


def test_clips_are_added_up_before_shares_are_taken():
    short = clip((objects(a1=0), objects()))
    long = clip(*[(objects(a1=0), objects(a1=0))] * 9)
    assert score(short, long).mota == pytest.approx(0.9)


def test_a_clip_without_results_scores_nothing():
    result = score(clip((objects(a1=0), objects())))
    assert (result.hota, result.idf1, result.mota) == pytest.approx((0, 0, 0))


def test_what_cannot_be_scored_is_told():
    found = objects(a1=0)
    with pytest.raises(InvalidValue, match="frame 0: need track_ids in the result"):
        TrackingClip().add(found, found.replace(track_ids=None))
    with pytest.raises(InvalidValue, match="frame 0: need each id once in the truth"):
        TrackingClip().add(objects(a1=0, a01=30), found)
    with pytest.raises(InvalidValue, match="one size"):
        TrackingClip().add(found, Instances.empty((9, 9), ("cat",)).replace(track_ids=np.zeros(0, int)))
    with pytest.raises(InvalidValue, match="true object"):
        score_tracking([clip((objects(), found))])


def test_without_the_library_the_install_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackeval.metrics", None)
    with pytest.raises(MissingDependency, match="pip install --no-deps 'trackeval"):
        score_tracking([clip((objects(a1=0), objects(a1=0)))])
