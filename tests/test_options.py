"""One request for all doors: what it takes as text, what it refuses, and that JSON keeps all of it."""

import json

import pytest

from maskweave.errors import InvalidValue
from maskweave.models.tiling import OVERLAP
from maskweave.option_fields import name_of, options_of
from maskweave.options import (
    BUILT_IN,
    DEFAULT_TRACKER,
    ModelOptions,
    OutputOptions,
    Request,
    SegmentOptions,
    SourceOptions,
    VideoOptions,
)
from maskweave.outputs.overlay import OverlayStyle
from maskweave.sources.base import FRAME_RATE, MAX_PIXELS, RECONNECT
from maskweave.types.counts import Line
from maskweave.types.prediction import TASKS
from maskweave.types.prompt import Box, Point
from maskweave.video.tracking import TRACKERS

EVERYTHING = {
    "model": "compact-s",
    "size": 320,
    "task": "instances",
    "score": 0.25,
    "classes": "cat, dog",
    "line": ["0,1e-3,10,20=gate", "1,2,3,4"],
    "zone": ["0,0,9,0,9,9.0625=door"],
    "drawn_on": "1024x576",
    "every": 3,
    "min_track_frames": 6,
    "track": True,
    "max_pixels": 12.5,
    "bands": "4,3,2",
    "save": "overlay,cutout",
    "background": "#102030",
    "opacity": 0.2,
    "color_by": "class",
    "trail": 2.0,
    "output": "out",
}


def test_options_come_as_text():
    request = Request.of(**EVERYTHING)
    assert request.segment == SegmentOptions("instances", 0.25, ("cat", "dog"))
    assert request.video.lines[0] == Line((0.0, 0.001), (10.0, 20.0), "gate")
    assert [line.name for line in request.video.lines] == ["gate", "line 2"]
    assert request.source.max_pixels == 12_500_000
    assert request.raster_options.bands == (4, 3, 2)
    assert request.output.save == ("overlay", "cutout")
    assert request.output.style == OverlayStyle(opacity=0.2, color_by="class", trail=2.0)


def test_prompts_come_as_text_or_numbers():
    expected = ((Box(1, 2, 3, 4),), (Point(2, 3), Point(9, 9, False)))
    for box, points in (("1,2,3,4", ("2,3", "9,9,0")), ([1, 2, 3, 4], ([2, 3], [9, 9, 0]))):
        prompt = Request.of(box=[box], point=points).prompt
        assert (prompt.boxes, prompt.points) == expected


def test_json_keeps_a_request():
    for words in (EVERYTHING, {"box": ["0.1,0.2,3,4"], "point": ["1,2", "5,6,0"], "frame": 7}):
        request = Request.of(**words)
        assert Request.of(**json.loads(json.dumps(request.to_words()))) == request
    assert Request.of(**Request().to_words()) == Request()


def test_a_changed_request_is_checked_again():
    request = Request.of(every=2).changed(score=0.5)
    assert (request.video.every, request.segment.score) == (2, 0.5)
    with pytest.raises(InvalidValue, match="every"):
        request.changed(every=0)


def test_no_name_is_used_twice():
    names = [name_of(each) for each, _ in options_of(Request)]
    assert len(set(names)) == len(names)
    with pytest.raises(InvalidValue, match=r"need names out of .*; got scores"):
        Request.of(scores=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"task": "foregound"}, "task: need one of instances, semantic, foreground"),
        ({"score": 7}, r"score: need a number in \[0, 1\], got 7"),
        ({"score": float("nan")}, "score: need a number"),
        ({"classes": ","}, "--classes: need at least one name"),
        ({"save": ""}, "--save: need at least one name"),
        ({"save": "gif"}, "--save: need formats out of"),
        ({"save": "coco", "task": "semantic"}, "--save coco"),
        ({"max_pixels": float("nan")}, "--max-pixels: need a number, got nan"),
        ({"bands": "1,2"}, "bands: need one or three numbers"),
        ({"window": "40"}, "window: need two numbers"),
        ({"tile": 8}, "tile"),
        ({"runtime": "abacus"}, "--runtime: need one of onnxruntime, openvino, opencv, got 'abacus'"),
        ({"line": ["0,0,9,9"], "drawn_on": "0x9"}, "--drawn-on: need WIDTHxHEIGHT in pixels"),
        ({"line": ["1,2"]}, r"--line: need x1,y1,x2,y2 \(4 numbers\), got 2"),
        ({"line": ["0,0,9,9=a"], "zone": ["0,0,9,9,0,9=a"]}, "got 'a' twice"),
        ({"line": ["0,0,9,9"], "track": False}, "need tracking, got --no-track"),
        ({"line": ["0,0,9,9"], "task": "foreground"}, "need --task instances, got foreground"),
        ({"tracker": "botsort", "track": False}, "tracker botsort: needs tracking"),
        ({"box": ["5,5,4,9"]}, "box: need x1 < x2"),
        ({"point": ["5"]}, "--point: need x,y or x,y,0 in pixels, got '5'"),
        ({"point": ["5,5"], "classes": "cat"}, "leave --classes out"),
        ({"point": ["5,5"], "tile": 512}, "leave --tile out"),
        ({"point": ["5,5"], "every": 2}, "leave --every and --tracker out"),
        ({"opacity": 3}, "opacity"),
        ({"trail": -1}, "trail: need 0 to 60 seconds, got -1"),
        ({"background": "white"}, "--background: is for cut-outs"),
        ({"save": "cutout", "background": "gren"}, "--background: need transparent, blur"),
        ({"refine_edges": True}, "--refine-edges: is for cut-outs"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_loaded(words, message):
    with pytest.raises(InvalidValue, match=message):
        Request.of(**words)


def test_python_gives_a_list_of_classes():
    with pytest.raises(InvalidValue, match="classes: need a list of names, got the text 'cat'"):
        SegmentOptions(classes="cat")


def test_defaults_and_choices_are_those_of_the_parts():
    source = SourceOptions()
    assert (source.max_pixels, source.fps, source.reconnect) == (MAX_PIXELS, FRAME_RATE, RECONNECT)
    assert ModelOptions().overlap == OVERLAP
    assert OutputOptions().style == OverlayStyle()
    choices = {name_of(each): details.choices for each, details in options_of(Request)}
    assert choices["tracker"] == tuple(TRACKERS)
    assert choices["task"] == TASKS
    assert (VideoOptions().tracker, ModelOptions().model) == (DEFAULT_TRACKER, BUILT_IN)
