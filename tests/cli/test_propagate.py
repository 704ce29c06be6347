"""`maskweave propagate`, and folders of frames as videos."""

import json
import os
import signal

import numpy as np
import pytest
from PIL import Image

from maskweave.cli import main
from maskweave.sources import camera
from tests.models.tiny import save_tiny_model
from tests.sources.paper import JumpingWatch, PaperSource, dropped
from tests.test_propagation import DISCS, truth, write_frames
from tests.tracking.drawn import draw, iou


@pytest.fixture
def call(monkeypatch, capfd):
    """Call ``maskweave`` with words; gives the exit code, stdout and stderr."""

    def call(*words):
        monkeypatch.setattr("sys.argv", ["maskweave", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capfd.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture
def clip(tmp_path):
    return write_frames(tmp_path / "clip", [draw(DISCS, time)[0] for time in range(4)])


@pytest.fixture
def first(tmp_path):
    path = tmp_path / "first.png"
    Image.fromarray(truth(0).astype(np.uint8)).save(path)
    return path


def test_the_results_keep_the_frames_names(call, clip, first, tmp_path):
    out = tmp_path / "out"
    code, stdout, _ = call("propagate", clip, "--as-video", "--mask", first, "-o", out, "--json")
    assert code == 0
    assert json.loads(stdout)["frames"] == 4
    assert sorted(path.name for path in out.iterdir()) == [
        "00000.png", "00001.png", "00002.png", "00003.png", "clip.overlay.mp4",
    ]  # fmt: skip
    with Image.open(out / "00003.png") as picture:
        assert picture.mode == "P"
        assert iou(truth(3), np.asarray(picture) == 1) > 0.6


def test_results_of_an_earlier_run_are_replaced_and_strangers_are_not(call, clip, first, tmp_path):
    words = ("propagate", clip, "--as-video", "--mask", first, "-o", tmp_path / "out", "--save", "davis")
    assert call(*words)[0] == 0
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert call(*words)[0] == 0
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    stranger = np.zeros((4, 4), np.uint8)
    Image.fromarray(stranger).save(tmp_path / "out" / "00002.png")
    before = (tmp_path / "out" / "00001.png").read_bytes()
    code, _, stderr = call(*words[:-4], "-o", tmp_path / "out", "--save", "davis", "--frame", "0")
    assert code == 1
    assert "00002.png: is there already, and MaskWeave did not write it" in stderr
    assert (tmp_path / "out" / "00001.png").read_bytes() == before
    assert not list((tmp_path / "out").glob(".*"))


def test_a_signal_ends_a_live_source_and_what_was_made_of_it_is_kept(call, first, tmp_path, monkeypatch):
    """It comes while a camera that dropped out is waited for."""

    def opened(address, name, *, reconnect, max_pixels):
        watch = JumpingWatch(lambda time: os.kill(os.getpid(), signal.SIGTERM))
        return PaperSource([0, 1, dropped()], watch=watch, picture=lambda time: draw(DISCS, time)[0])

    monkeypatch.setattr(camera, "CameraSource", opened)
    code, _, stderr = call(
        "propagate", "camera:0", "--mask", first, "-o", tmp_path / "out", "--save", "overlay"
    )
    assert code == 0, stderr
    assert "camera-0: 2 frames" in stderr
    assert (tmp_path / "out" / "paper.overlay.mp4").is_file()


def test_frames_are_never_replaced_by_their_masks(call, clip, first):
    before = (clip / "00000.png").read_bytes()
    assert call("propagate", clip, "--as-video", "--mask", first, "-o", clip, "--save", "davis")[0] == 0
    assert (clip / "00000.png").read_bytes() == before
    assert (clip / "clip.davis" / "00000.png").is_file()


def test_a_box_on_a_later_frame(call, clip, tmp_path):
    words = ("--box", "38,40,78,80", "--frame", "2", "-o", tmp_path / "out", "--save", "tracks")
    assert call("propagate", clip, "--as-video", *words)[0] == 0
    tracks = json.loads((tmp_path / "out" / "clip.tracks.json").read_text())
    assert len(tracks["annotations"]) == 1
    assert all(tracks["annotations"][0]["segmentations"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--box", "1,2,3"), "--box: need x1,y1,x2,y2 in pixels, got '1,2,3'"),
        (("--point", "a,b"), "--point: need x,y or x,y,0 in pixels, got 'a,b'"),
        (("--point", "900,5"), "clip, frame 0: need points within 200x120, got 900,5"),
        ((), "need exactly one kind of mask, boxes and points"),
        (("--point", "5,5", "--save", "nonsense"), "need formats out of"),
        (("--mask", "nosuch.png"), "nosuch.png: need this frame, there is no such file"),
        (("--point", "5,5", "--frame", "99"), "the prompt is for frame 99"),
    ],
)
def test_wrong_calls_are_told_in_one_line(call, clip, tmp_path, words, message):
    code, _, stderr = call("propagate", clip, "--as-video", "-o", tmp_path / "out", *words)
    assert code in (1, 2)
    assert message in stderr
    assert "Traceback" not in stderr
    assert not list((tmp_path / "out").glob("*"))


def test_a_picture_is_no_video(call, clip, first):
    code, _, stderr = call("propagate", clip / "00000.png", "--mask", first)
    assert code in (1, 2)
    assert "need one video, or a folder of frames with --as-video" in stderr


def test_the_foreground_of_a_folder_of_frames(call, tmp_path):
    model = save_tiny_model(tmp_path / "tiny.onnx")
    clip = write_frames(tmp_path / "clip", [draw(DISCS, time)[0] for time in range(5)])
    out = tmp_path / "out"
    assert call("segment", clip, "--as-video", "--task", "foreground", "-o", out, "-m", model)[0] == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *(f"{index:05d}.png" for index in range(5)), "clip.foreground.mp4",
    ]  # fmt: skip
    with Image.open(out / "00004.png") as picture:
        assert (picture.mode, picture.size) == ("1", (200, 120))
