"""The numbers for Prometheus tell what was done."""

import re

import pytest

from tests.clips import Clip, write_clip
from tests.serving.conftest import running_server

FORM = {"content-type": "image/png"}


@pytest.fixture
def fresh():
    """A server that nothing was asked of."""
    with running_server() as server, server.client() as client:
        yield client


def numbers(client):
    """{name with labels: value} of /metrics."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        name: float(value)
        for name, value in re.findall(r"^([^#\s]\S*) (\S+)$", answer.text, flags=re.MULTILINE)
    }


def test_images_videos_and_refusals_are_counted(fresh, image, tmp_path):
    clip = write_clip(tmp_path / "a.mp4", Clip(ticks=range(5))).read_bytes()
    found = fresh.post("/v1/segment", params={"score": 0.02}, content=image, headers=FORM).json()
    fresh.post("/v1/segment", content=b"nothing", headers=FORM)
    begun = fresh.post("/v1/videos", params={"save": "csv"}, content=clip).json()
    assert "event: done" in fresh.get(begun["links"]["events"]).text
    told = numbers(fresh)
    assert told["maskweave_segment_seconds_count"] == 1
    assert told["maskweave_objects_total"] == len(found["objects"]) > 0
    assert told["maskweave_frames_total"] == 5
    assert told["maskweave_upload_bytes_total"] == len(image) + len(clip)
    asked = {
        (path, status): told[f'maskweave_requests_total{{method="POST",path="{path}",status="{status}"}}']
        for path, status in (("/v1/segment", 200), ("/v1/segment", 415), ("/v1/videos", 202))
    }
    assert set(asked.values()) == {1}


def test_no_name_that_a_client_made_up_becomes_a_label(fresh):
    for path in ("/nowhere", "/v1/jobs/made-up", "/static/made-up.js"):
        fresh.get(path)
    fresh.request("MADEUP", "/v1/segment")
    told = [name for name in numbers(fresh) if name.startswith("maskweave_request")]
    assert told
    assert not [name for name in told if "made" in name.lower() or "nowhere" in name]
