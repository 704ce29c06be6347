"""`maskweave propagate`, and folders of frames as videos."""

import json
import os
import re
import signal

import numpy as np
import pytest
from PIL import Image

from maskweave.cli import main
from maskweave.sources import camera
from tests.clips import Clip, write_clip
from tests.models.tiny import save_tiny_model
from tests.sources.paper import JumpingWatch, PaperSource, dropped
from tests.video.drawn import draw, iou
from tests.video.test_propagation import DISCS, truth, write_frames


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
    with Image.open(out / "00003.png") as image:
        assert image.mode == "P"
        assert iou(truth(3), np.asarray(image) == 1) > 0.6


def test_frames_in_which_an_object_is_not_seen_are_named(call, tmp_path):
    frames = [draw(DISCS, time)[0] for time in range(2)] + [np.full_like(draw(DISCS, 0)[0], 90)] * 3
    clip = write_frames(tmp_path / "clip", frames)
    mask = tmp_path / "first.png"
    Image.fromarray(truth(0).astype(np.uint8)).save(mask)
    code, _, err = call(
        "propagate", clip, "--as-video", "--mask", mask, "-o", tmp_path / "out", "--save", "davis"
    )
    assert code == 0
    assert re.search(r"clip: object 1 is not seen in frames? (\d-)?4$", err, re.MULTILINE)


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
    assert not list((tmp_path / "out").glob(".*.part*"))


def test_frames_of_another_clip_are_not_replaced(call, clip, first, tmp_path):
    other = write_frames(tmp_path / "other", [draw(DISCS, time)[0] for time in range(4)])
    words = ("--as-video", "--mask", first, "-o", tmp_path / "out", "--save", "davis")
    assert call("propagate", clip, *words)[0] == 0
    before = (tmp_path / "out" / "00001.png").stat().st_mtime_ns
    code, _, err = call("propagate", other, *words)
    assert code == 1
    assert "out: holds images of another input, like 0000" in err
    assert "choose another folder with -o" in err
    assert (tmp_path / "out" / "00001.png").stat().st_mtime_ns == before


def test_without_an_output_folder_each_clip_has_its_own(call, clip, first, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("propagate", clip, "--as-video", "--mask", first, "--save", "davis")[0] == 0
    assert (
        sorted(path.name for path in (tmp_path / "maskweave-out" / "clip.davis").iterdir())[0] == "00000.png"
    )


def test_a_signal_ends_a_live_source_and_what_was_made_of_it_is_kept(call, first, tmp_path, monkeypatch):
    """It comes while a camera that dropped out is waited for."""

    def opened(address, name, *, reconnect, max_pixels):
        watch = JumpingWatch(lambda time: os.kill(os.getpid(), signal.SIGTERM))
        return PaperSource([0, 1, dropped()], watch=watch, image=lambda time: draw(DISCS, time)[0])

    monkeypatch.setattr(camera, "CameraSource", opened)
    code, _, stderr = call(
        "propagate", "camera:0", "--mask", first, "-o", tmp_path / "out", "--save", "overlay"
    )
    assert code == 0, stderr
    assert "camera-0: 1 track (2 masks) in 2 frames (1 object)" in stderr
    assert (tmp_path / "out" / "paper.overlay.mp4").is_file()


def test_frames_are_never_replaced_by_their_masks(call, clip, first):
    before = (clip / "00000.png").read_bytes()
    assert call("propagate", clip, "--as-video", "--mask", first, "-o", clip, "--save", "davis")[0] == 0
    assert (clip / "00000.png").read_bytes() == before
    assert (clip / "clip.davis" / "00000.png").is_file()


def test_a_folder_of_masks_marks_the_frames_that_their_names_say(call, clip, tmp_path):
    (tmp_path / "marks").mkdir()
    for frame in (1, 3):
        Image.fromarray(truth(frame).astype(np.uint8)).save(tmp_path / "marks" / f"{frame:05d}.png")
    words = ("propagate", clip, "--as-video", "--mask", tmp_path / "marks", "-o", tmp_path / "out")
    code, _, err = call(*words, "--save", "davis")
    assert code == 0, err
    for frame in (1, 3):
        (found,) = (tmp_path / "out").rglob(f"{frame:05d}.png")
        assert np.array_equal(np.asarray(Image.open(found)) == 1, truth(frame))


@pytest.mark.parametrize("names", [[], ["first.png"], ["a_1.png", "b_1.png"]])
def test_masks_whose_names_are_no_frames_are_refused(call, clip, tmp_path, names):
    (tmp_path / "marks").mkdir()
    for name in names:
        Image.fromarray(truth(0).astype(np.uint8)).save(tmp_path / "marks" / name)
    code, _, err = call("propagate", clip, "--as-video", "--mask", tmp_path / "marks", "-o", tmp_path / "out")
    assert code == 2
    assert "like 00040.png" in err


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
        ((), "need a mask, boxes or points that mark an object, got none"),
        (("--point", "5,5", "--save", "nonsense"), "need formats out of"),
        (("--mask", "nosuch.png"), "nosuch.png: no such file"),
        (("--point", "5,5", "--frame", "99"), "need a prompt for one of its 4 frames, got frame 99"),
    ],
)
def test_wrong_calls_are_told_in_one_line(call, clip, tmp_path, words, message):
    code, _, stderr = call("propagate", clip, "--as-video", "-o", tmp_path / "out", *words)
    assert code in (1, 2)
    assert message in stderr
    assert "Traceback" not in stderr
    assert not list((tmp_path / "out").glob("*"))


def test_a_frame_behind_the_end_of_a_cut_video_says_that_it_is_cut(call, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 48, 64, 3), dtype=np.uint8)
    clip = Clip(range(20), images=noise, container_options={"movflags": "faststart"})
    path = write_clip(tmp_path / "cut.mp4", clip)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    code, _, stderr = call("propagate", path, "--box", "5,5,30,30", "--frame", "19", "-o", tmp_path / "out")
    assert code == 1
    assert "got frame 19 (" in stderr
    assert "of 20 frames decoded: the file is cut short or damaged" in stderr


def test_a_image_is_no_video(call, clip, first):
    code, _, stderr = call("propagate", clip / "00000.png", "--mask", first)
    assert code in (1, 2)
    assert "need one video, or a folder of frames with --as-video" in stderr


def test_a_video_that_is_not_there_says_so(call):
    code, _, stderr = call("propagate", "nosuch.mp4", "--box", "1,2,30,40")
    assert (code, "nosuch.mp4: no such file" in stderr) == (1, True)


def test_an_object_is_left_out_where_it_is_less_sure_than_asked(call, clip, first, tmp_path):
    words = ("propagate", clip, "--as-video", "--mask", first, "-o", tmp_path / "out", "--save", "csv")
    assert call(*words, "--score", "1")[0] == 0
    rows = (tmp_path / "out" / "clip.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["0"]  # what was marked is sure


def test_a_series_of_slices_takes_a_window(call, tmp_path):
    pytest.importorskip("pydicom", minversion="3", reason="needs the extra [medical]")
    from tests.sources.dicoms import dicom, save

    slices = [np.where(draw(DISCS, time)[0][..., 0] > 128, 900, 0).astype(np.int16) for time in range(3)]
    folder = tmp_path / "series"
    folder.mkdir()
    for number, pixels in enumerate(slices):
        data = dicom(
            pixels,
            ImagePositionPatient=[0, 0, number],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PixelSpacing=[1, 1],
        )
        save(folder / f"{number}.dcm", data)
    words = ("--box", "38,40,78,80", "--window", "450,900", "--frames", "2", "-o", tmp_path / "out")
    code, stdout, stderr = call("propagate", folder, *words, "--save", "csv", "--json")
    assert code == 0, stderr
    assert json.loads(stdout)["frames"] == 2


def test_the_foreground_of_a_folder_of_frames(call, tmp_path):
    model = save_tiny_model(tmp_path / "tiny.onnx")
    clip = write_frames(tmp_path / "clip", [draw(DISCS, time)[0] for time in range(5)])
    out = tmp_path / "out"
    assert call("segment", clip, "--as-video", "--task", "foreground", "-o", out, "-m", model)[0] == 0
    assert sorted(path.name for path in out.iterdir()) == [
        *(f"{index:05d}.png" for index in range(5)), "clip.foreground.mp4",
    ]  # fmt: skip
    with Image.open(out / "00004.png") as image:
        assert (image.mode, image.size) == ("1", (200, 120))
