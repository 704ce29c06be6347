"""Tracks that a person corrected are written in the formats that a run has."""

import io
import json
import zipfile

import av
import httpx
import numpy as np
import pytest
from PIL import Image as PILImage

from maskweave.serving.client import Client
from maskweave.serving.track_files import formats_of_tracks
from tests.annotations.scenes import read
from tests.serving.page import scene


@pytest.fixture(scope="module")
def tracks(tmp_path_factory):
    """The square's track alone: the dog was taken away."""
    document = json.loads(scene.write_tracks(tmp_path_factory.mktemp("tracks"), [], []).read_text())
    document["annotations"] = [each for each in document["annotations"] if each["track_id"] == 1]
    return document


def ask(server, tracks, form):
    data = tracks if isinstance(tracks, bytes) else json.dumps(tracks).encode()
    files = {"tracks": ("a.json", data), "request": (None, json.dumps({"format": form}))}
    return httpx.post(f"{server.url}/v1/tracks/export", files=files, timeout=60)


@pytest.mark.parametrize("form", formats_of_tracks())
def test_every_format_of_tracks_is_made(server, tracks, form):
    answer = ask(server, tracks, form)
    assert answer.status_code == 200, answer.text
    assert answer.content


def test_only_what_was_left_is_in_the_file(server, tracks, tmp_path):
    (tmp_path / "a.json").write_bytes(ask(server, tracks, "coco").content)
    records = read(tmp_path / "a.json", "coco")
    assert len(records) == scene.FRAMES
    assert {each for record in records for each in record.instances.track_ids.tolist()} == {1}
    assert [record.instances.masks.boxes[0, :2].tolist() for record in records[:2]] == [
        list(scene.walk(0)),
        list(scene.walk(1)),
    ]


def test_formats_of_folders_come_as_a_zip(server, tracks):
    with zipfile.ZipFile(io.BytesIO(ask(server, tracks, "davis").content)) as archive:
        assert sum(name.endswith(".png") for name in archive.namelist()) == scene.FRAMES


def test_what_is_no_format_of_tracks_or_no_tracks_is_refused(server, tracks):
    answer = ask(server, tracks, "overlay")
    assert (answer.status_code, answer.json()["title"]) == (422, "invalid value")
    assert ask(server, b"\x89PNG", "coco").status_code == 415
    assert ask(server, {"videos": 7}, "coco").status_code == 422


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return scene.write_video(tmp_path_factory.mktemp("clip") / "clip.mp4").read_bytes()


def draw(server, clip, tracks, save="overlay"):
    """Ask for the files of a clip anew; the answer, and the job as it ended."""
    files = {"video": ("a.mp4", clip), "tracks": ("a.json", json.dumps(tracks).encode())}
    begun = httpx.post(f"{server.url}/v1/videos/tracks", params={"save": save}, files=files, timeout=60)
    if begun.status_code != 202:
        return begun, None
    with Client(server.url) as remote:
        return begun, list(remote.job(begun.json()["id"]))[-1]


def test_a_video_is_drawn_anew_with_the_tracks_that_were_left(server, clip, tracks, tmp_path):
    begun, state = draw(server, clip, tracks, save="overlay,masks")
    assert (state.status, state.frames) == ("done", scene.FRAMES)
    with Client(server.url) as remote:
        paths = {path.name: path for path in remote.job(begun.json()["id"]).download(tmp_path)}
    assert set(paths) == {"video.overlay.mp4", "video.masks.zip"}
    with av.open(str(paths["video.overlay.mp4"])) as file:
        last = list(file.decode(video=0))[-1].to_ndarray(format="rgb24").astype(int)
    assert np.abs(last[20, 100] - scene.GROUND).max() < 20  # where the dog was
    with zipfile.ZipFile(paths["video.masks.zip"]) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        ids = np.asarray(PILImage.open(io.BytesIO(archive.read(names[-1]))))
    x, y = scene.walk(scene.FRAMES - 1)
    assert (len(names), set(np.unique(ids[y : y + 20, x : x + 20])), (ids > 0).sum()) == (
        scene.FRAMES,
        {1},
        400,
    )


def test_tracks_of_another_video_are_refused(server, clip, tracks):
    short = {
        **tracks,
        "videos": [{**tracks["videos"][0], "file_names": tracks["videos"][0]["file_names"][:5]}],
    }
    _, state = draw(server, clip, {**short, "annotations": []})
    assert state.status == "failed"
    assert "tracks: need those of this video, 128x96, got no frame for frame 5" in state.error
    begun, _ = draw(server, clip, tracks, save="nothing")
    assert begun.status_code == 422
