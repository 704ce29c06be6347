"""What holds for every measure."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import maskweave.evaluation
from maskweave.errors import InvalidValue
from maskweave.evaluation.base import Metric
from maskweave.evaluation.coco_ap import CocoAP
from maskweave.evaluation.coco_errors import CocoErrors
from maskweave.evaluation.davis import DavisFrame, DavisMetric
from maskweave.evaluation.panoptic import PanopticMap, PanopticMetric, Segment
from maskweave.evaluation.semantic import SemanticMetric
from maskweave.evaluation.tracking import TrackingClip, TrackingMetric
from maskweave.evaluation.video_ap import VideoAP
from maskweave.evaluation.video_clips import Track, VideoClip
from maskweave.types.instances import Instances
from maskweave.types.semantic import SemanticMap
from tests.evaluation.test_coco_ap import NAMES, squares, truth
from tests.evaluation.test_video_ap import clip, seen

_IDS = np.kron(np.array([[1, 2], [2, 0]]), np.ones((6, 6), int))
_TRACKS = clip(Track(1, 0, seen(0, 5)))
_SEGMENTS = PanopticMap(_IDS, {1: Segment(0), 2: Segment(1)})
_COCO = (truth((5, 5, 20, 0)), squares((5, 5, 20, 0, 0.9)), Instances.empty((9, 9), NAMES))
_NAMED = {"class_names": NAMES}

# How each is made, a truth, the same as a result, and a result of another size.
CASES = {
    CocoAP: (_NAMED, *_COCO),
    CocoErrors: (_NAMED, *_COCO),
    SemanticMetric: (_NAMED, *[SemanticMap(_IDS % 2, NAMES)] * 2, SemanticMap(_IDS[:3] % 2, NAMES)),
    PanopticMetric: ({**_NAMED, "is_thing": (True, False)}, *[_SEGMENTS] * 2, PanopticMap(np.zeros((2, 2), int), {})),
    DavisMetric: ({"skip_ends": False}, DavisFrame(_IDS, "one", [1, 2]), _IDS, _IDS[:3]),
    TrackingMetric: (_NAMED, _TRACKS, _TRACKS, VideoClip("clip", (9, 9), 1, (), NAMES)),
    VideoAP: (_NAMED, _TRACKS, _TRACKS, VideoClip("clip", (9, 9), 1, (), NAMES)),
}  # fmt: skip
NEEDED = {CocoAP: "faster_coco_eval", TrackingMetric: "trackeval"}


@pytest.fixture(params=CASES, ids=lambda metric: metric.__name__)
def case(request):
    if request.param in NEEDED:
        pytest.importorskip(NEEDED[request.param], reason="needs the extra: pip install maskweave[evaluate]")
    options, known, found, other = CASES[request.param]
    return lambda: request.param(**options), known, found, other


def test_results_are_those_of_what_was_added_and_come_again(case):
    make, known, found, _ = case
    once, again = make(), make()
    once.add(known, found)
    again.add(known, found)
    first = repr(once.result())
    assert first == repr(once.result()) == repr(again.result())
    assert "100.0" in first or "1.0" in first


def test_nothing_added_has_no_result(case):
    with pytest.raises(InvalidValue, match="need at least one"):
        case[0]().result()


def test_another_size_is_refused(case):
    make, known, _, other = case
    with pytest.raises(InvalidValue):
        make().add(known, other)


def test_the_documents_example_prints_what_it_says(capsys):
    text = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(example, {})
    assert f"# {capsys.readouterr().out}" in example


def test_every_measure_is_tested_here():
    found = set()
    for module in pkgutil.iter_modules(maskweave.evaluation.__path__):
        members = vars(importlib.import_module(f"maskweave.evaluation.{module.name}")).values()
        found |= {
            each
            for each in members
            if inspect.isclass(each) and hasattr(each, "add") and hasattr(each, "result")
        }
    assert found == {*CASES, Metric}
    assert not hasattr(TrackingClip, "result")  # one clip on its way into a measure
