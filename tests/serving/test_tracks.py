"""Tracks that a person corrected are written in the formats that a run has."""

import io
import json
import zipfile

import httpx
import pytest

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
