import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import maskweave as mw
from maskweave.errors import (
    InvalidValue,
    MissingDependency,
    OutputError,
    SourceNotFound,
    SourceWarning,
    UnreadableImage,
)
from maskweave.outputs.videos import OverlayVideo
from maskweave.video.tracking import MaskTracker
from tests.clips import Clip, write_clip
from tests.models.tiny import save_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    with mw.load(save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")) as model:
        yield model


@pytest.fixture
def image():
    image = np.zeros((100, 150, 3), np.uint8)
    image[40:80, 40:80] = 255
    return image


def test_every_public_name_exists_and_all_is_sorted():
    assert all(getattr(mw, name) is not None for name in mw.__all__)
    assert len(set(mw.__all__)) == len(mw.__all__)
    assert set(mw._HOMES) | {"__version__", "errors"} == set(mw.__all__)
    with pytest.raises(AttributeError, match="nosuch"):
        mw.nosuch  # noqa: B018


def test_importing_loads_no_engine():
    script = "import maskweave, sys; assert not {'cv2', 'onnxruntime', 'numpy', 'av'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_image_may_come_in_many_forms(model, image, tmp_path):
    path = tmp_path / "image.png"
    Image.fromarray(image).save(path)
    forms = [image, path, str(path), path.read_bytes(), Image.fromarray(image)]
    results = [model(form) for form in forms]
    assert all(result.instances.masks == results[0].instances.masks for result in results)
    assert results[0].instances.names == ("cat",)
    assert model.class_names == ("cat", "dog")


def test_score_and_classes(model, image):
    assert len(model(image, score=0.95).instances) == 0
    assert len(model(image, classes=["dog"]).instances) == 0
    people = model(image).instances
    assert len(people[people.scores > 0.5]) == 1
    for wrong, message in [
        ({"score": 2}, "score"),
        ({"classes": "cat"}, "need a list"),
        ({"classes": ["x"]}, "got x"),
    ]:
        with pytest.raises(InvalidValue, match=message):
            model(image, **wrong)


def test_results_draw_and_save_themselves(model, image, tmp_path):
    result = model(image)
    assert result.overlay().shape == image.shape
    assert (result.overlay() != image).any()
    result.save(tmp_path / "out.png")
    result.save(tmp_path / "out.masks.png")
    result.save(tmp_path / "out.json")
    saved = json.loads((tmp_path / "out.json").read_text())
    assert [each["segmentation"] for each in saved["annotations"]] == [
        each["segmentation"] for each in result.to_coco()
    ]
    result.save(tmp_path / "out.foreground.png")
    with Image.open(tmp_path / "out.foreground.png") as mask:
        assert mask.mode == "1"
        assert np.asarray(mask).sum() == result.instances.masks.areas.sum()
    with Image.open(tmp_path / "out.masks.png") as ids:
        assert ids.mode == "P"
    with pytest.raises(InvalidValue, match="need a suffix"):
        result.save(tmp_path / "new" / "out.xyz")
    assert not (tmp_path / "new").exists()


def test_results_say_what_they_are(model, image):
    with pytest.raises(InvalidValue, match="these are instances"):
        _ = model(image).semantic
    semantic = model(image, task="semantic")
    assert semantic.semantic.present() == ("background", "cat")
    with pytest.raises(InvalidValue, match="semantic map"):
        _ = semantic.instances


def test_plot(model, image):
    plt = pytest.importorskip("matplotlib.pyplot")
    axes = model(image).plot()
    assert len(axes.images) == 1
    plt.close("all")


def test_unreadable_images(model, tmp_path):
    with pytest.raises(SourceNotFound, match=r"nosuch.jpg"):
        model("nosuch.jpg")
    with pytest.raises(UnreadableImage):
        model(b"not an image")


def test_what_was_passed_over_in_an_image_reaches_the_caller(model, image, tmp_path):
    page = Image.fromarray(image)
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page])
    with pytest.warns(SourceWarning, match="^a: 2 pages, of which the first was read") as caught:
        model(tmp_path / "a.tif")
    assert [each.filename for each in caught] == [__file__]


def test_what_is_missing_of_a_video_reaches_the_caller_once(model, tmp_path):
    path = write_clip(tmp_path / "clip.ts", Clip(ticks=range(20)))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.warns(SourceWarning) as caught:
        list(model.stream(path))
    lines = [str(each.message) for each in caught]
    assert len(lines) == len(set(lines))
    assert all(line.startswith("clip: ") for line in lines)
    assert {each.filename for each in caught} == {__file__}


def video_file(folder, frames=6):
    images = []
    for x in range(frames):
        image = np.zeros((64, 96, 3), np.uint8)
        image[20:44, 10 + x : 40 + x] = 255
        images.append(image)
    return write_clip(
        folder / "clip.mp4", Clip(ticks=tuple(range(frames)), size=(64, 96), images=images, audio="aac")
    )


def test_streaming_a_video(model, tmp_path):
    results = list(model.stream(video_file(tmp_path)))
    assert [result.frame.index for result in results] == list(range(6))
    assert [result.instances.track_ids.tolist() for result in results] == [[1]] * 6
    untracked = next(iter(model.stream(video_file(tmp_path), tracker=None)))
    assert untracked.instances.track_ids is None
    with pytest.raises(SourceNotFound):
        next(model.stream(tmp_path / "nosuch.mp4"))
    with pytest.raises(InvalidValue, match="score"):
        model.stream(video_file(tmp_path), score=7)  # told at once, not at the first frame
    assert [each["image_id"] for result in results for each in result.to_coco()] == list(range(1, 7))


def test_the_network_may_look_at_each_third_frame_of_a_video(model, tmp_path, monkeypatch):
    looked = []
    infer = model.model.infer
    monkeypatch.setattr(model.model, "infer", lambda inputs: looked.append(1) or infer(inputs))
    results = list(model.stream(video_file(tmp_path), every=3))
    assert len(looked) == 2
    assert [result.instances.track_ids.tolist() for result in results] == [[1]] * 6
    with pytest.raises(InvalidValue, match="every: need 1 or more"):
        model.stream(video_file(tmp_path), every=0)


class Sevens:
    """A tracker that calls every object 7."""

    def start(self, score):
        return score

    def update(self, facts, instances):
        return instances.replace(track_ids=np.full(len(instances), 7))


def test_a_tracker_is_chosen_by_name(model, tmp_path, monkeypatch):
    monkeypatch.setattr("maskweave.video.tracking.TRACKERS", {"maskweave": MaskTracker, "sevens": Sevens})
    results = model.stream(video_file(tmp_path), tracker="sevens")
    assert [result.instances.track_ids.tolist() for result in results] == [[7]] * 6
    seen, write = [], OverlayVideo.write
    monkeypatch.setattr(
        OverlayVideo, "write", lambda self, result: seen.append(result.instances) or write(self, result)
    )
    mw.segment_video(video_file(tmp_path), tmp_path / "out.mp4", model=model, tracker="sevens")
    assert [found.track_ids.tolist() for found in seen] == [[7]] * 6


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"tracker": "sort"}, "need one of maskweave, bytetrack, botsort, got 'sort'"),
        (
            {"tracker": "botsort", "task": "foreground"},
            "tracker botsort: needs --task instances, got foreground",
        ),
    ],
)
def test_a_tracker_that_cannot_be_is_told_at_once(model, tmp_path, choice, message):
    with pytest.raises(InvalidValue, match=message):
        model.stream(video_file(tmp_path), **choice)
    with pytest.raises(InvalidValue, match=message):
        mw.segment_video(video_file(tmp_path), tmp_path / "out.mp4", model=model, **choice)
    assert not (tmp_path / "out.mp4").exists()


def test_a_tracker_that_is_not_installed_is_told_at_once(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingDependency, match=r"maskweave\[trackers\]"):
        model.stream(video_file(tmp_path), tracker="bytetrack")


def test_segment_video(model, tmp_path):
    seen = []
    report = mw.segment_video(
        video_file(tmp_path),
        tmp_path / "out.mp4",
        model=model,
        progress=lambda frame: seen.append(frame.index),
    )
    assert (report.frames, report.objects, seen) == (6, 6, list(range(6)))
    assert report.paths == [tmp_path / "out.mp4"]
    with pytest.raises(InvalidValue, match=r"ends in .mp4"):
        mw.segment_video(tmp_path / "clip.mp4", tmp_path / "out.avi", model=model)
    with pytest.raises(OutputError, match="would replace an input"):
        mw.segment_video(tmp_path / "clip.mp4", tmp_path / "clip.mp4", model=model)


def test_results_do_not_change_with_the_callers_array(model, image):
    result = model(image)
    image[:] = 0
    assert result.image.max() == 255


def test_errors_can_be_caught_by_name():
    with pytest.raises(mw.errors.UnknownModel):
        mw.load("nosuch")


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def test_what_is_pointed_at_is_one_object(model, image):
    result = model.prompt(image, points=[(60, 60)])
    assert result.instances.names == ("object",)
    square = image[..., 0] > 0
    assert overlap(result.instances.masks.union(), square) > 0.9
    two = model.prompt(image, boxes=[(38, 38, 82, 82), (36, 36, 84, 84)])
    assert all(overlap(mask, square) > 0.8 for mask in two.instances.masks.dense())
    with pytest.raises(InvalidValue, match="need points within 150x100"):
        model.prompt(image, points=[(200, 3)])


def test_a_result_cuts_out(model, image):
    result = model(image)
    plain = result.cutout()
    np.testing.assert_array_equal(plain[..., 3] == 255, result.instances.masks.union())
    assert result.cutout("white").shape == image.shape
    assert result.cutout(refine_edges=True).shape == plain.shape
    with pytest.raises(InvalidValue, match="--background"):
        result.cutout("gren")
