"""Clicks and a promptable model: what it finds is taken where it agrees with them, and else corrected."""

import json

import numpy as np
import pytest

from maskweave.api import Segmenter
from maskweave.models import efficient_sam, guided
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.runtimes.base import TensorSpec
from maskweave.runtimes.onnxruntime import OnnxRuntime
from maskweave.serving import handler
from maskweave.serving.pointing import object_at
from maskweave.types.masks import Masks
from maskweave.types.prompt import Point
from tests.models.guides import guide
from tests.models.maps import iou, rectangle_image
from tests.models.promptable import PUBLISHED
from tests.runtimes.fake import FakeRuntime
from tests.serving.conftest import encoded, put_in_cache, running_server

SPECS = (
    TensorSpec("batched_images", (1, 3, 64, 128), "float32"),
    TensorSpec("batched_point_coords", (1, 1, 6, 2), "float32"),
    TensorSpec("batched_point_labels", (1, 1, 6, 1), "float32"),
)
LEFT, RIGHT, ALL = [[1.0, -1.0]], [[-1.0, 1.0]], [[1.0, 1.0]]
IMAGE = rectangle_image((10, 20), (0, 0, 10, 10), color=(200, 30, 30))  # what LEFT is, in red on black


GUIDE = guided.build(OnnxRuntime(guide()), name="guide")


def finding(*candidates):
    """A promptable model that finds these, the first with the most hope."""
    ious = np.linspace(0.9, 0.1, len(candidates), dtype=np.float32)
    answer = {
        "output_masks": np.array(candidates, np.float32)[None, None],
        "iou_predictions": ious[None, None],
    }
    segmenter = Segmenter(efficient_sam.build(FakeRuntime(answer, inputs=SPECS), name="sam"))
    segmenter.model.guide = GUIDE
    return segmenter


def columns(count):
    """A mask of the first columns."""
    return np.repeat((np.arange(20) < count)[None], 10, axis=0)


def test_a_mask_becomes_what_the_model_finds_in_its_box_stretched_to_the_points():
    segmenter = finding(RIGHT, LEFT)
    points = (Point(8.5, 5), Point(15, 5, inside=False))
    found = segmenter.model.correct(IMAGE, columns(7), points)
    assert np.array_equal(found, columns(10))
    (sent,) = segmenter.model.runtime.seen
    assert sent["batched_point_labels"].reshape(-1).tolist() == [1, 2, 3, -1, -1, -1]
    scale = np.array([128 / 20, 64 / 10])
    assert np.allclose(sent["batched_point_coords"][0, 0, :3] / scale, [(8.5, 5), (0, 0), (9, 10)])


@pytest.mark.parametrize("candidates", [(RIGHT,), (ALL,)])
def test_a_point_that_the_model_has_wrong_is_put_right(candidates):
    points = (Point(8.5, 5), Point(15, 5, inside=False))
    found = finding(*candidates).model.correct(IMAGE, columns(7), points)
    assert np.array_equal(found, GUIDE.correct(IMAGE, columns(7), points))
    assert found[5, 8]
    assert not found[5, 15]


def test_a_correction_does_not_change_to_another_object():
    mask = columns(4)
    points = (Point(4.5, 5),)
    found = finding(ALL).model.correct(IMAGE, mask, points)
    assert np.array_equal(found, GUIDE.correct(IMAGE, mask, points))


def test_without_points_a_mask_stays_as_it_is():
    segmenter = finding(ALL)
    assert np.array_equal(segmenter.model.correct(IMAGE, columns(3), ()), columns(3))
    assert segmenter.model.runtime.seen == []


def test_a_new_object_keeps_out_of_points_beside_it_though_no_candidate_does():
    points = (Point(4, 5), Point(15, 5, inside=False))
    found = object_at(finding(ALL), IMAGE, box=None, points=points)
    assert found[5, 4]
    assert not found[5, 15]


@pytest.mark.parametrize(("box", "room"), [(None, 6), ((0, 0, 12, 10), 4)])
def test_of_too_many_points_the_model_is_told_the_latest(box, room):
    segmenter = finding(LEFT)
    points = [Point(x + 0.5, 5) for x in range(9)]
    assert np.array_equal(object_at(segmenter, IMAGE, box=box, points=points), columns(10))
    (sent,) = segmenter.model.runtime.seen
    told = sent["batched_point_coords"][0, 0, :room, 0] / (128 / 20)
    assert np.allclose(told, [point.x for point in points[-room:]])


def test_the_server_corrects_by_the_model_that_was_pulled(promptable_server):
    """Two bright squares are one object for that model, and for no other."""
    image = rectangle_image((120, 300), (20, 30, 60, 70))
    image[50:90, 240:280] = 255
    both = image[..., 0] > 0
    wrong = both.copy()
    wrong[:, :28] = False
    wrong[:, 272:] = False
    (rle,) = encode_masks(Masks.from_dense(wrong[None]))
    areas = {}
    with promptable_server.client() as client:
        assert {
            each["name"] for each in client.get("/v1/models").json() if each["promptable"] and each["here"]
        } == {"efficient-sam-ti", "guide"}
        for model in (None, "efficient-sam-ti"):
            request = {"rle": rle, "points": [[22, 40, 1]], "model": model}
            answer = client.post(
                "/v1/refine", files={"image": encoded(image)}, data={"request": json.dumps(request)}
            )
            (mask,) = decode_masks([answer.json()["object"]["rle"]], both.shape).dense()
            areas[model] = (mask != both).sum()
    assert areas["efficient-sam-ti"] < 80  # of 3200: the network's grid
    assert areas[None] > 250  # the far square lacks 8 columns still


def test_models_of_two_files_answer_over_http(tmp_path, monkeypatch):
    """A box, and then a mask that lacks a corner, corrected by a point."""
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path))
    names = ("mobile-sam", "sam2.1-tiny", "efficient-sam-ti-split")
    for name in names:
        put_in_cache(name, *PUBLISHED[name].contents)
    image = rectangle_image((120, 300), (20, 30, 60, 70))
    whole = image[..., 0] > 0
    lacking = whole.copy()
    lacking[60:, 50:] = False
    (rle,) = encode_masks(Masks.from_dense(lacking[None]))
    with running_server() as server, server.client() as client:
        listed = {each["name"]: each for each in client.get("/v1/models").json()}
        for name in names:
            assert (listed[name]["promptable"], listed[name]["here"]) == (True, True)
            for asked in ({"box": [18, 28, 62, 72]}, {"rle": rle, "points": [[55, 65, 1]]}):
                answer = client.post(
                    "/v1/refine",
                    files={"image": encoded(image)},
                    data={"request": json.dumps(asked | {"model": name})},
                )
                (mask,) = decode_masks([answer.json()["object"]["rle"]], whole.shape).dense()
                assert iou(mask, whole) > 0.97


def test_an_image_that_is_asked_about_again_is_decoded_once(tmp_path, monkeypatch):
    opened = []
    source = handler.ImageSource
    monkeypatch.setattr(
        handler, "ImageSource", lambda *given, **named: opened.append(given) or source(*given, **named)
    )
    options = {"model": "built-in", "threads": 1, "max_pixels": 1_000_000}
    worker = handler.RequestHandler(options, lambda seconds: None)
    for name, image in (("a", IMAGE), ("b", IMAGE), ("c", IMAGE[:, ::-1].copy())):
        (tmp_path / name).write_bytes(encoded(image))
        work = {
            "kind": "refine",
            "file": str(tmp_path / name),
            "folder": str(tmp_path),
            "answer": str(tmp_path / "out"),
        }
        mask = encode_masks(Masks.from_dense(columns(7)[None]))[0]
        worker.do({**work, "model": None, "box": None, "points": [[8.5, 5, 1]], "rle": mask}, opened.append)
    assert len(opened) == 2  # the second is the first again, whatever its name
