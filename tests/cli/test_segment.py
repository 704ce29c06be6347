"""The command as a user calls it, in this process, with a model small enough to know the answer."""

import errno
import json
import os
import signal
import subprocess
import sys
from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from maskweave import files
from maskweave.cli import main
from maskweave.cli.app import app
from maskweave.outputs.video import VideoWriter
from maskweave.sources import camera
from maskweave.video.tracking import TRACKERS, MaskTracker, make_tracker
from tests.clips import Clip, corners, write_clip, write_tone
from tests.models.tiny import save_tiny_model
from tests.sources.paper import PaperSource, dropped


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture
def photo(tmp_path):
    """A bright square, 40 to 80 in both directions, on black."""
    image = np.zeros((100, 150, 3), np.uint8)
    image[40:80, 40:80] = 255
    path = tmp_path / "photo.png"
    Image.fromarray(image).save(path)
    return path


def run(monkeypatch, capfd, *words):
    """Call the program and return (exit code, stdout, stderr)."""
    monkeypatch.setattr(sys, "argv", ["maskweave", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    out, err = capfd.readouterr()
    return stop.value.code or 0, out, err


def test_a_photo_gives_three_files(photo, model, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(monkeypatch, capfd, "segment", photo, "-m", model)
    folder = tmp_path / "maskweave-out"
    assert (code, out) == (0, "")
    assert "photo: 1 object in 1 frame (1 cat)" in err
    assert sorted(path.name for path in folder.iterdir()) == [
        "photo.json", "photo.masks.png", "photo.overlay.jpg",
    ]  # fmt: skip
    ids = np.asarray(Image.open(folder / "photo.masks.png"))
    assert set(np.unique(ids)) == {0, 1}
    assert abs(int((ids == 1).sum()) - 1600) < 120
    coco = json.loads((folder / "photo.json").read_text())
    assert [each["category_id"] for each in coco["annotations"]] == [17]
    assert coco["images"][0]["file_name"] == "photo.png"
    with Image.open(folder / "photo.overlay.jpg") as overlay:
        assert overlay.size == (150, 100)


def test_files_that_another_task_replaces_are_named(model, tmp_path, monkeypatch, capfd):
    Image.fromarray(moving(0)).save(tmp_path / "photo.png")
    words = ("segment", tmp_path / "photo.png", "-m", model, "-o", tmp_path / "out")
    assert "replaced" not in run(monkeypatch, capfd, *words)[2]
    code, _, err = run(monkeypatch, capfd, *words, "--task", "semantic")
    assert (code, "(replaced photo.overlay.jpg)" in err) == (0, True), err
    _, out, _ = run(monkeypatch, capfd, *words, "--task", "semantic", "--json")
    assert json.loads(out)["replaced"] == json.loads(out)["outputs"]


def test_a_video_keeps_frames_audio_and_ids(model, tmp_path, monkeypatch, capfd):
    clip = video_file(tmp_path, 12, audio="aac")
    code, _, err = run(monkeypatch, capfd, "segment", clip, "-m", model, "-o", tmp_path / "out")
    assert code == 0, err
    coco = json.loads((tmp_path / "out" / "clip.json").read_text())
    assert len(coco["images"]) == 12
    assert {each["track_id"] for each in coco["annotations"]} == {1}
    with av.open(str(tmp_path / "out" / "clip.overlay.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.audio
        assert sum(1 for _ in container.decode(video=0)) == 12


@pytest.mark.parametrize("name", ["maskweave", "bytetrack", "botsort"])
def test_a_tracker_can_be_chosen(name, model, tmp_path, monkeypatch, capfd):
    made = []
    monkeypatch.setattr("maskweave.video.tracking.TRACKERS", dict.fromkeys(TRACKERS, MaskTracker))
    monkeypatch.setattr(
        "maskweave.video.tracking.make_tracker", lambda name: made.append(name) or make_tracker(name)
    )
    words = ("segment", video_file(tmp_path, 4), "-m", model, "-o", tmp_path / "out", "--save", "coco")
    code, _, err = run(monkeypatch, capfd, *words, "--tracker", name)
    assert (code, made[-1]) == (0, name), err
    coco = json.loads((tmp_path / "out" / "clip.json").read_text())
    assert [each["track_id"] for each in coco["annotations"]] == [1] * 4


def test_a_tracker_that_is_not_installed_is_told_in_one_line(model, tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "supervision", None)
    words = (
        "segment",
        video_file(tmp_path, 2),
        "-m",
        model,
        "-o",
        tmp_path / "out",
        "--tracker",
        "bytetrack",
    )
    assert run(monkeypatch, capfd, *words) == (
        1,
        "",
        "maskweave: tracker bytetrack: need supervision, which is not installed; "
        "run pip install 'maskweave[trackers]' && pip install --no-deps 'trackers>=2.6'\n",
    )


def video_file(folder, frames, audio=None):
    """A clip of a bright square that moves to the right."""
    images = [moving(x) for x in range(frames)]
    clip = Clip(ticks=tuple(range(frames)), size=(64, 96), images=images, audio=audio)
    return write_clip(folder / "clip.mp4", clip)


def moving(x):
    image = np.zeros((64, 96, 3), np.uint8)
    image[20:44, 10 + x : 40 + x] = 255
    return image


def test_of_a_video_each_third_frame_may_be_looked_at(model, tmp_path, monkeypatch, capfd):
    from maskweave.models.compact import CompactModel

    looked = []
    infer = CompactModel.infer
    monkeypatch.setattr(CompactModel, "infer", lambda self, inputs: looked.append(1) or infer(self, inputs))
    words = ("-m", model, "-o", tmp_path / "out", "--every", "3", "--json")
    code, out, _ = run(monkeypatch, capfd, "segment", video_file(tmp_path, 7), *words)
    assert code == 0
    assert json.loads(out)["frames"] == 7
    assert len(looked) == 3


def test_foreground_of_a_video_is_a_binary_video_and_one_bit_images(model, tmp_path, monkeypatch, capfd):
    clip = video_file(tmp_path, 4)
    words = ("segment", clip, "-m", model, "-o", tmp_path / "out", "--task", "foreground")
    assert run(monkeypatch, capfd, *words)[0] == 0
    images = sorted((tmp_path / "out" / "clip.foreground").iterdir())
    assert [path.name for path in images] == [f"{index:06d}.png" for index in range(4)]
    first = Image.open(images[0])
    assert first.mode == "1"
    truth = moving(0)[..., 0] > 0
    assert (np.asarray(first) & truth).sum() / (np.asarray(first) | truth).sum() > 0.85
    assert (tmp_path / "out" / "clip.foreground.mp4").is_file()


def test_semantic_image(photo, model, tmp_path, monkeypatch, capfd):
    words = ("segment", photo, "-m", model, "-o", tmp_path / "out", "--task", "semantic")
    assert run(monkeypatch, capfd, *words)[0] == 0
    image = Image.open(tmp_path / "out" / "photo.semantic.png")
    assert image.mode == "P"
    assert set(np.unique(np.asarray(image))) == {0, 1}


def test_one_bad_input_does_not_stop_the_others(photo, model, tmp_path, monkeypatch, capfd):
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.png").touch()
    words = ("segment", tmp_path / "text.jpg", "nosuch.jpg", photo, tmp_path / "empty.png")
    code, out, err = run(monkeypatch, capfd, *words, "-m", model, "-o", tmp_path / "out", "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [record["ok"] for record in records] == [False, False, True, False]
    assert [record.get("kind") for record in records] == [
        "UnreadableImage", "SourceNotFound", None, "UnreadableImage",
    ]  # fmt: skip
    assert err.count("failed: ") == 3
    assert "Traceback" not in err
    assert (tmp_path / "out" / "photo.json").is_file()


def test_other_bad_inputs_are_one_line_each(model, tmp_path, monkeypatch, capfd):
    tone = write_tone(tmp_path / "audio.mp4")
    clip = video_file(tmp_path, 8)
    (tmp_path / "half.mp4").write_bytes(clip.read_bytes()[: clip.stat().st_size // 3])
    (tmp_path / "none").mkdir()
    huge = tmp_path / "huge.png"
    Image.new("1", (9000, 9000)).save(huge)
    words = ("segment", tone, tmp_path / "half.mp4", tmp_path / "none", huge)
    code, _, err = run(monkeypatch, capfd, *words, "-m", model, "-o", tmp_path / "out")
    lines = err.splitlines()
    assert code == 1
    assert all(line.startswith("failed: ") for line in lines), err
    assert len(lines) == 4
    assert "--max-pixels" in lines[3]


def test_a_video_that_is_cut_short_is_done_as_far_as_it_goes_and_the_exit_code_says_so(
    model, tmp_path, monkeypatch, capfd
):
    whole = write_clip(tmp_path / "whole.ts", Clip(ticks=range(20)))
    (tmp_path / "cut.ts").write_bytes(whole.read_bytes()[:-1000])
    for path, expected in ((whole, 0), (tmp_path / "cut.ts", 1)):
        words = ("segment", path, "-m", model, "-o", tmp_path / "out", "--save", "csv", "--json")
        code, out, _ = run(monkeypatch, capfd, *words)
        record = json.loads(out)
        assert (code, record["ok"], record["complete"]) == (expected, True, not expected)
        assert (tmp_path / "out" / f"{path.stem}.csv").is_file()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-m", "nosuch"], 2, "need a name from the catalog"),
        (["-m", "mask-rcn-r50-fpn"], 2, "did you mean mask-rcnn-r50-fpn"),
        (["-m", "mask-rcnn-r50-fpn", "--offline"], 1, "not on this machine"),
        (["--score", "7"], 2, "score: need a number in"),
        (["--classes", "cow"], 2, "need names out of cat, dog"),
        (["--save", "gif"], 2, "--save: need formats out of"),
        (["--save", "overley"], 2, "got 'overley'; did you mean overlay?"),
        (["--opacity", "3"], 2, "opacity"),
        (["--device", "cuda"], 1, "device cuda"),
        (["--runtime", "abacus"], 2, "need one of onnxruntime, openvino, opencv"),
    ],
)
def test_wrong_calls_are_told_in_one_line(words, code, message, photo, model, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path / "cache"))
    if "-m" not in words:
        words = [*words, "-m", model]
    got, _, err = run(monkeypatch, capfd, "segment", photo, "-o", tmp_path / "out", *words)
    assert (got, len(err.splitlines())) == (code, 1), err
    assert message in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("broken.onnx", b"no model at all", "broken.onnx"), ("empty.onnx", b"", "empty.onnx")],
)
def test_files_that_are_no_models(name, content, message, photo, tmp_path, monkeypatch, capfd):
    (tmp_path / name).write_bytes(content)
    code, _, err = run(monkeypatch, capfd, "segment", photo, "-m", tmp_path / name)
    assert code == 1
    assert message in err
    assert len(err.splitlines()) == 1


def test_an_output_folder_that_is_a_file(photo, model, tmp_path, monkeypatch, capfd):
    (tmp_path / "out").write_text("in the way")
    code, _, err = run(monkeypatch, capfd, "segment", photo, "-m", model, "-o", tmp_path / "out")
    assert code == 1
    assert "cannot" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_leaves_finished_outputs_and_nothing_half(name, photo, model, tmp_path, monkeypatch, capfd):
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip(f"{name} does not exist on this system")

    def interrupted(self, image, *, time, **more):
        if time > Fraction(1, 10):
            os.kill(os.getpid(), number)
        original(self, image, time=time, **more)

    original = VideoWriter.write
    monkeypatch.setattr(VideoWriter, "write", interrupted)
    clip = video_file(tmp_path, 8)
    code, _, err = run(monkeypatch, capfd, "segment", photo, clip, "-m", model, "-o", tmp_path / "out")
    assert code == 130
    assert err.splitlines()[-1] == "maskweave: interrupted; finished outputs stay"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "photo.json", "photo.masks.png", "photo.overlay.jpg",
    ]  # fmt: skip


def test_a_full_disk_is_one_line(photo, model, tmp_path, monkeypatch, capfd):
    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_sync", full)
    code, _, err = run(monkeypatch, capfd, "segment", photo, "-m", model, "-o", tmp_path / "out")
    assert code == 1
    assert "No space left" in err
    assert list((tmp_path / "out").iterdir()) == []


def test_pipe_in_pipe_out(photo, model, tmp_path):
    command = [sys.executable, "-m", "maskweave", "segment", "-", "-m", str(model)]
    done = subprocess.run(command, input=photo.read_bytes(), capture_output=True, check=True, cwd=tmp_path)
    assert Image.open(BytesIO(done.stdout)).size == (150, 100)
    assert list(tmp_path.iterdir()) == [photo]


def test_help_names_every_command_and_loads_no_engine():
    script = (
        "import sys\nfrom typer.testing import CliRunner\nfrom maskweave.cli.app import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "heavy = {'cv2', 'onnxruntime', 'av', 'torch', 'matplotlib', 'numpy', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    shown = CliRunner().invoke(app, ["--help"]).output
    assert all(name in shown for name in ("segment", "models", "doctor"))


@pytest.mark.parametrize("group", [[], ["models"], ["evaluate"]])
def test_a_list_of_commands_says_what_each_does_to_the_end(group):
    shown = CliRunner().invoke(app, [*group, "--help"], env={"COLUMNS": "80"}).output
    assert [line for line in shown.partition("Commands:")[2].splitlines() if line.endswith("...")] == []


def test_an_input_is_never_replaced(photo, model, tmp_path, monkeypatch, capfd):
    assert run(monkeypatch, capfd, "segment", photo, "-m", model, "-o", tmp_path)[0] == 0
    overlay = tmp_path / "photo.overlay.jpg"
    before = overlay.read_bytes()
    code, _, err = run(monkeypatch, capfd, "segment", photo, overlay, "-m", model, "-o", tmp_path)
    assert code == 1
    assert "would replace an input of this run" in err
    assert overlay.read_bytes() == before


def test_a_second_run_does_not_take_results_for_inputs(photo, model, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        code, _, err = run(monkeypatch, capfd, "segment", ".", "-r", "-m", model)
        assert (code, err.count("1 object in 1 frame")) == (0, 1), err
    for _ in range(2):
        code, _, err = run(monkeypatch, capfd, "segment", "*.*", "-m", model, "-o", ".")
        assert (code, err.count("1 object in 1 frame")) == (0, 1), err


def test_a_file_of_another_program_is_not_replaced(photo, model, tmp_path, monkeypatch, capfd):
    labelme = tmp_path / "photo.json"
    labelme.write_text('{"version": "5.0.1", "shapes": []}')
    code, _, err = run(monkeypatch, capfd, "segment", photo, "-m", model, "-o", tmp_path)
    assert code == 1
    assert "a file that MaskWeave did not write is there" in err
    assert labelme.read_text() == '{"version": "5.0.1", "shapes": []}'
    labelme.unlink()
    for _ in range(2):  # our own files may be replaced
        assert run(monkeypatch, capfd, "segment", photo, "-m", model, "-o", tmp_path)[0] == 0


@pytest.mark.parametrize(
    "words", [["--save", ""], ["--classes", ","], ["--max-pixels", "nan"], ["--seconds", "-1"]]
)
def test_empty_and_impossible_options_are_wrong_calls(words, photo, model, tmp_path, monkeypatch, capfd):
    code, _, err = run(monkeypatch, capfd, "segment", photo, "-m", model, "-o", tmp_path / "out", *words)
    assert code == 2
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_stdin_with_an_output_folder_writes_files(photo, model, tmp_path):
    command = [
        sys.executable,
        "-m",
        "maskweave",
        "segment",
        "-",
        "-m",
        str(model),
        "-o",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, input=photo.read_bytes(), capture_output=True, check=True)
    assert done.stdout == b""
    assert (tmp_path / "out" / "stdin.json").is_file()


@pytest.mark.parametrize(
    ("word", "kind"), [("camera:0", "CameraSource"), ("rtsp://cam/live", "StreamSource")]
)
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "after 2 frames: cable cut; it did not come back within 60 s"),
        (["--reconnect", "5"], "after 2 frames: cable cut; it did not come back within 5 s"),
        (["--reconnect", "0"], "after 2 frames: cable cut"),
    ],
)
def test_what_a_camera_gave_before_it_dropped_out_is_kept(
    word, kind, options, told, model, tmp_path, monkeypatch, capfd
):
    def opened(address, name, *, reconnect, max_pixels, **_):
        return PaperSource([0, 1, dropped()], reconnect=reconnect, image=lambda time: corners())

    monkeypatch.setattr(camera, kind, opened)
    words = ("segment", word, "-m", model, "-o", tmp_path / "out", *options)
    code, _, err = run(monkeypatch, capfd, *words)
    assert code == 0, err
    assert f"warning: the stream broke off {told}\n" in err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"paper.overlay.mp4", "paper.json"}


def test_the_two_words_camera_0(model, tmp_path, monkeypatch, capfd):
    code, _, err = run(monkeypatch, capfd, "segment", "camera", "97", "-m", model, "-o", tmp_path / "out")
    assert code == 1
    assert err.startswith("failed: camera 97: ")


def test_limits_in_frames_and_seconds(model, tmp_path, monkeypatch, capfd):
    clip = video_file(tmp_path, 10)
    for words, frames in [(("--frames", 3), 3), (("--seconds", 0.2), 5)]:
        code, out, _ = run(
            monkeypatch, capfd, "segment", clip, "-m", model, "-o", tmp_path / "out", "--json", *words
        )
        assert (code, json.loads(out)["frames"]) == (0, frames)


def test_frames_of_a_folder_keep_their_names(model, tmp_path, monkeypatch, capfd):
    (tmp_path / "frames").mkdir()
    for number in (7, 8, 9):
        Image.fromarray(moving(number)).save(tmp_path / "frames" / f"{number:05d}.jpg", quality=95)
    words = ("segment", tmp_path / "frames", "--as-video", "--fps", "10", "-m", model, "-o", tmp_path / "out")
    code, _, err = run(monkeypatch, capfd, *words, "--save", "masks,coco,overlay")
    assert code == 0, err
    masks = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert masks == ["00007.png", "00008.png", "00009.png"]
    images = json.loads((tmp_path / "out" / "frames.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["00007.jpg", "00008.jpg", "00009.jpg"]
    assert [image["time_seconds"] for image in images] == [0, 0.1, 0.2]


def test_a_damaged_frame_of_a_folder_is_left_out_and_the_exit_code_says_so(
    model, tmp_path, monkeypatch, capfd
):
    (tmp_path / "frames").mkdir()
    for number in range(3):
        Image.fromarray(moving(number)).save(tmp_path / "frames" / f"{number}.png")
    damaged = tmp_path / "frames" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    words = ("segment", tmp_path / "frames", "--as-video", "--fps", "10", "-m", model, "-o", tmp_path / "out")
    code, _, err = run(monkeypatch, capfd, *words, "--save", "masks,coco")
    assert code == 1
    assert "1 of 3 images is damaged and was left out: 1.png" in err
    images = json.loads((tmp_path / "out" / "frames.json").read_text())["images"]
    assert [(image["file_name"], image["time_seconds"]) for image in images] == [("0.png", 0), ("2.png", 0.2)]


def test_an_internal_error_is_one_line_too(photo, model, tmp_path, monkeypatch, capfd):
    from maskweave.models.compact import CompactModel

    def broken(self, image):
        raise RuntimeError("a bug")

    monkeypatch.setattr(CompactModel, "prepare", broken)
    code, _, err = run(monkeypatch, capfd, "segment", photo, "-m", model, "-o", tmp_path / "out")
    assert code == 1
    assert err == "maskweave: internal error (RuntimeError: a bug); please report it, with --debug\n"


def test_every_output_of_a_video_with_lines_and_zones(model, tmp_path, monkeypatch, capfd):
    clip = video_file(tmp_path, 30, audio="aac")
    formats = "overlay,side-by-side,davis,tracks,mots,csv,cutout"
    places = ("--line", "45,0,45,64=door", "--zone", "0,0,96,0,96,64,0,64", "--trail", "1")
    words = ("segment", clip, "-m", model, "-o", tmp_path / "out", "--save", formats, *places)
    code, out, err = run(monkeypatch, capfd, *words, "--json")
    assert code == 0, err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "clip.overlay.mp4", "clip.side-by-side.mp4", "clip.davis", "clip.tracks.json", "clip.mots.txt", "clip.csv",
        "clip.cutout.webm",
    }  # fmt: skip
    record = json.loads(out)
    # the square goes from left to right over a line from top to bottom: from its left side to its right is backward
    assert record["lines"] == {"door": {"forward": 0, "backward": 1}}
    assert record["zones"] == {"zone 1": {"inside": 1, "seen": 1}}
    assert any("no audio" in warning for warning in record["warnings"])
    tracks = json.loads((tmp_path / "out" / "clip.tracks.json").read_text())
    assert [each["direction"] for each in tracks["counts"]["lines"][0]["crossings"]] == ["backward"]
    code, _, err = run(monkeypatch, capfd, *words)
    assert (code, "clip: door: 0 crossed forward, 1 backward" in err) == (0, True), err
    code, _, err = run(monkeypatch, capfd, "segment", tmp_path / "out", "-m", model, "-o", tmp_path / "again")
    assert code == 1  # nothing that was written is taken for an input
    assert "clip" not in "".join(path.name for path in tmp_path.glob("again/*"))


def test_a_cut_out_photo(photo, model, tmp_path, monkeypatch, capfd):
    words = ("segment", photo, "-m", model, "-o", tmp_path / "out", "--save", "cutout,csv")
    assert run(monkeypatch, capfd, *words)[0] == 0
    with Image.open(tmp_path / "out" / "photo.cutout.png") as image:
        assert image.mode == "RGBA"
        assert image.getpixel((60, 60)) == (255, 255, 255, 255)
        assert image.getpixel((5, 5)) == (0, 0, 0, 0)
    assert len((tmp_path / "out" / "photo.csv").read_text().splitlines()) == 2
    assert run(monkeypatch, capfd, *words, "--background", "teal")[0] == 0
    with Image.open(tmp_path / "out" / "photo.cutout.png") as image:
        assert image.getpixel((5, 5)) == (0, 128, 128)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--line", "1,2"), "--line: need x1,y1,x2,y2 (4 numbers), got 2 in '1,2'"),
        (("--line", "0,0,9,9=a", "--zone", "0,0,9,9,0,9=a"), "got 'a' twice"),
        (("--zone", "0,0,200,0,200,200"), "need points inside the 96 x 64 image"),
        (("--save", "cutout", "--background", "gren"), "--background: need transparent, blur, #rrggbb"),
        (("--background", "white"), "--background: is for cut-outs; add --save cutout"),
        (("--trail", "-1"), "trail: need 0 to 60 seconds, got -1"),
        (("--line", "0,0,9,9", "--no-track"), "need tracking, got --no-track"),
        (("--line", "0,0,9,9", "--task", "foreground"), "need --task instances, got foreground"),
        (("--save", "tracks", "--no-track"), "need objects with track ids"),
        (("--tracker", "botsort", "--no-track"), "tracker botsort: needs tracking, which is turned off"),
        (("--tracker", "botsort", "--task", "foreground"), "needs --task instances, got foreground"),
    ],
)
def test_wrong_values_of_video_outputs_are_told_in_one_line(
    options, message, model, tmp_path, monkeypatch, capfd
):
    clip = video_file(tmp_path, 3)
    code, _, err = run(monkeypatch, capfd, "segment", clip, "-m", model, "-o", tmp_path / "out", *options)
    assert code in {1, 2}
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_counting_needs_a_video(photo, model, tmp_path, monkeypatch, capfd):
    words = ("segment", photo, "-m", model, "-o", tmp_path / "out", "--zone", "0,0,9,0,9,9")
    code, _, err = run(monkeypatch, capfd, *words)
    assert code == 1
    assert "--line and --zone: need a video, got an image" in err


def test_pointing_finds_one_object(photo, model, tmp_path, monkeypatch, capfd):
    words = ("segment", photo, "-m", model, "--save", "masks,coco", "-o", tmp_path)
    code, _, err = run(
        monkeypatch, capfd, *words, "--box", "38,38,82,82", "--point", "60,60", "--point", "5,5,0"
    )
    assert (code, "1 object" in err) == (0, True)
    mask = np.asarray(Image.open(tmp_path / "photo.masks.png"))
    square = np.asarray(Image.open(photo))[..., 0] > 0
    assert ((mask > 0) & square).sum() / ((mask > 0) | square).sum() > 0.9
    document = json.loads((tmp_path / "photo.json").read_text())
    assert [each["name"] for each in document["categories"]] == ["object"]
    code, _, err = run(monkeypatch, capfd, *words, "--point", "900,4")
    assert (code, "photo, frame 0: need points within 150x100, got 900,4" in err) == (1, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--point", "5"), "--point: need x,y or x,y,0 in pixels, got '5'"),
        (("--box", "5,5,4,9"), "box: need x1 < x2"),
        (("--point", "5,5", "--classes", "cat"), "leave --classes out"),
    ],
)
def test_wrong_pointing_is_told_before_anything_is_loaded(photo, words, message, monkeypatch, capfd):
    code, _, err = run(monkeypatch, capfd, "segment", photo, "-m", "no/such.onnx", *words)
    assert (code, message in err) == (2, True)


def test_what_is_pointed_at_in_a_video_is_followed(model, tmp_path, monkeypatch, capfd):
    words = ("segment", video_file(tmp_path, 4), "-m", model, "-o", tmp_path / "out", "--save", "coco")
    code, out, err = run(monkeypatch, capfd, *words, "--box", "8,18,42,46", "--line", "30,0,30,64", "--json")
    assert code == 0, err
    assert json.loads(out)["lines"] == {"line 1": {"forward": 0, "backward": 0}}
    coco = json.loads((tmp_path / "out" / "clip.json").read_text())
    assert [each["track_id"] for each in coco["annotations"]] == [1] * 4


def test_options_for_videos_are_reported_where_an_image_ignores_them(
    photo, model, tmp_path, monkeypatch, capfd
):
    words = ("segment", photo, "-m", model, "-o", tmp_path / "out", "--every", "2", "--trail", "1")
    code, _, err = run(monkeypatch, capfd, *words)
    assert code == 0
    assert "photo: warning: --every, --trail: for videos only, ignored" in err


def test_quiet_leaves_warnings_and_errors(photo, model, tmp_path, monkeypatch, capfd):
    words = ("segment", photo, "nosuch.jpg", "-m", model, "-o", tmp_path / "out", "--trail", "1", "--quiet")
    code, _, err = run(monkeypatch, capfd, *words)
    assert code == 1
    assert [line.split(":")[0] for line in err.splitlines()] == ["photo", "failed"]
    assert run(monkeypatch, capfd, *words[:2], *words[3:])[0] == 0


def test_refined_cut_outs(photo, model, tmp_path, monkeypatch, capfd):
    words = ("segment", photo, "-m", model, "-o", tmp_path, "--refine-edges")
    code, _, err = run(monkeypatch, capfd, *words)
    assert (code, "--refine-edges: is for cut-outs; add --save cutout" in err) == (2, True)
    code, _, _ = run(monkeypatch, capfd, *words, "--save", "cutout")
    alpha = np.asarray(Image.open(tmp_path / "photo.cutout.png"))[..., 3]
    truth = np.asarray(Image.open(photo))[..., 0] > 0
    assert code == 0
    assert ((alpha > 127) == truth).mean() > 0.99
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = run(monkeypatch, capfd, *words, "--save", "cutout")
    assert (code != 0, "pip install 'maskweave[matting]'" in err) == (True, True)
