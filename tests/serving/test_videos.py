"""Videos over HTTP: a job that can be watched, fetched from, and cancelled; and the client that does so."""

import csv
import io
import json
import os
import signal

import numpy as np
import pytest
from PIL import Image as PILImage

import maskweave
from maskweave.errors import InvalidValue
from maskweave.serving.client import Client, ServerError
from maskweave.types import Instances, Masks
from tests.clips import Clip, write_clip
from tests.serving.conftest import running_server, wait_until


@pytest.fixture(scope="module")
def video_file(tmp_path_factory, blob):
    """Eight frames in which the disc moves."""
    images = [np.roll(blob, 3 * step, axis=1) for step in range(8)]
    clip = Clip(ticks=range(8), size=(96, 128), images=images)
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", clip)


@pytest.fixture
def remote(server):
    with Client(server.url) as remote:
        yield remote


def events_of(client, path):
    with client.stream("GET", path) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = list(answer.iter_lines())
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    told = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    return names, told


def test_a_video_is_segmented_watched_and_fetched(client, video_file):
    query = {"save": "overlay,tracks,csv,masks", "score": 0.02}
    begun = client.post("/v1/videos", params=query, content=video_file.read_bytes())
    assert begun.status_code == 202
    assert begun.headers["location"] == begun.json()["links"]["self"]
    names, told = events_of(client, begun.json()["links"]["events"])
    assert names[-1] == "done"
    assert set(names[:-1]) <= {"progress"}
    last = told[-1]
    assert last == client.get(begun.json()["links"]["self"]).json()
    assert (last["status"], last["frames"], last["frames_total"], last["error"]) == ("done", 8, 8, None)
    stream = client.get(begun.json()["links"]["self"], headers={"accept": "text/event-stream"})
    assert stream.text == f"event: done\ndata: {json.dumps(last)}\n\n"
    results = {each["name"]: each for each in last["results"]}
    kinds = {name: each["media_type"] for name, each in results.items()}
    assert kinds == {
        "video.overlay.mp4": "video/mp4",
        "video.tracks.json": "application/json",
        "video.csv": "text/csv; charset=utf-8",
        "video.masks.zip": "application/zip",
    }
    for each in results.values():
        assert len(client.get(each["href"]).content) == each["bytes"]
    table = client.get(results["video.csv"]["href"])
    assert table.headers["content-disposition"].startswith("attachment")
    assert {row["frame"] for row in csv.DictReader(io.StringIO(table.text))} <= {str(n) for n in range(8)}


def test_a_player_can_seek_in_a_result(client, video_file):
    begun = client.post(
        "/v1/videos", params={"save": "overlay"}, files={"video": video_file.read_bytes()}
    ).json()
    _, told = events_of(client, begun["links"]["events"])
    href = told[-1]["results"][0]["href"]
    whole = client.get(href)
    part = client.get(href, headers={"range": "bytes=100-199"})
    assert whole.headers["content-disposition"].startswith("inline")
    assert part.status_code == 206
    assert part.content == whole.content[100:200]


def test_a_removed_job_is_gone_with_its_files(server, client, video_file):
    begun = client.post("/v1/videos", params={"save": "csv"}, content=video_file.read_bytes()).json()
    events_of(client, begun["links"]["events"])
    folder = server.call(server.service.jobs.find, begun["id"]).folder
    assert folder.is_dir()
    assert client.delete(begun["links"]["cancel"]).status_code == 204
    assert not folder.exists()
    for path in (
        begun["links"]["self"],
        begun["links"]["events"],
        begun["links"]["self"] + "/results/video.csv",
    ):
        assert client.get(path).status_code == 404


def test_only_results_can_be_fetched(client, video_file):
    begun = client.post("/v1/videos", params={"save": "csv"}, content=video_file.read_bytes()).json()
    events_of(client, begun["links"]["events"])
    assert client.get(f"{begun['links']['self']}/results/video.csv").status_code == 200
    for name in ("video", "..%2Fupload", "%2Fetc%2Fpasswd", "video.mp4", "%2e%2e%2f%2e%2e%2fetc%2fpasswd"):
        assert client.get(f"{begun['links']['self']}/results/{name}").status_code == 404


def test_lines_count_and_wrong_ones_are_told_before_the_video_is_read(client, video_file):
    query = {
        "save": "tracks",
        "line": "64,0,64,96=gate",
        "zone": ["0,0,64,0,64,96", "64,0,128,0,128,96=right"],
    }
    begun = client.post("/v1/videos", params=query, content=video_file.read_bytes()).json()
    _, told = events_of(client, begun["links"]["events"])
    counts = client.get(told[-1]["results"][0]["href"]).json()["counts"]
    assert [each["name"] for each in counts["lines"]] == ["gate"]
    assert [each["name"] for each in counts["zones"]] == ["zone 1", "right"]
    assert client.post("/v1/videos", params={"line": "1,2"}, content=b"x").status_code == 422


def test_lines_may_be_given_in_an_image_as_players_show_it(client, video_file):
    query = {"save": "tracks", "line": "128,0,128,192=gate", "drawn_on": "256x192"}
    begun = client.post("/v1/videos", params=query, content=video_file.read_bytes()).json()
    _, told = events_of(client, begun["links"]["events"])
    (line,) = client.get(told[-1]["results"][0]["href"]).json()["counts"]["lines"]
    assert (line["start"], line["end"]) == ([64, 0], [64, 96])


def test_masks_of_several_frames_are_followed(client, remote, video_file, blob):
    disc = (blob == (220, 30, 30)).all(axis=2)
    first, later = disc.astype(int), np.roll(disc, 12, axis=1) * 1
    later[5:15, 100:120] = 7
    masks = {0: first, 4: later}
    local = [result.instances for result in maskweave.propagate(video_file, mask=masks)]
    there = list(remote.video(video_file, save=("tracks",), masks=masks).instances())
    assert [each.track_ids.tolist() for each in there] == [each.track_ids.tolist() for each in local]
    assert [each.track_ids.tolist() for each in there] == [[1]] * 4 + [[1, 7]] * 4
    assert all(one.masks == other.masks for one, other in zip(there, local, strict=True))


RLE = {"size": [96, 128], "counts": [50, 10, 96 * 128 - 60]}


@pytest.mark.parametrize(
    ("query", "frames", "word"),
    [
        ({}, [], "masks"),
        ({}, [{"frame": 0, "objects": []}], "objects"),
        ({}, [{"frame": -1, "objects": [{"id": 1, "rle": RLE}]}], "frame"),
        ({}, [{"frame": 0, "objects": [{"id": 0, "rle": RLE}]}], "id"),
        ({}, [{"frame": 0, "objects": [{"id": 1, "rle": {**RLE, "size": [-3, -4]}}]}], "size"),
        ({}, [{"frame": 2, "objects": [{"id": 1, "rle": RLE}]}] * 2, "need each frame once"),
        ({"box": "1,2,30,40"}, [{"frame": 0, "objects": [{"id": 1, "rle": RLE}]}], "box or point"),
        ({"every": 2}, [{"frame": 0, "objects": [{"id": 1, "rle": RLE}]}], "leave every"),
    ],
)
def test_masks_that_cannot_be_followed_are_told_at_once(client, video_file, query, frames, word):
    form = {"request": json.dumps({"masks": frames})}
    answer = client.post("/v1/videos", params=query, files={"video": video_file.read_bytes()}, data=form)
    assert answer.status_code == 422
    assert word in answer.json()["detail"]


@pytest.mark.parametrize(
    ("rle", "word"),
    [
        ({"size": [48, 64], "counts": [48 * 64 - 9, 9]}, "need a mask of the video's size 128x96, got 64x48"),
        ({"size": [96, 128], "counts": "?"}, "rle"),
        ({"size": [100_000, 100_000], "counts": [9_999_999_999, 1]}, "over the budget"),
    ],
)
def test_masks_that_do_not_fit_fail_the_job_with_their_reason(client, video_file, rle, word):
    form = {"request": json.dumps({"masks": [{"frame": 1, "objects": [{"id": 1, "rle": rle}]}]})}
    begun = client.post("/v1/videos", files={"video": video_file.read_bytes()}, data=form).json()
    _, told = events_of(client, begun["links"]["events"])
    assert told[-1]["status"] == "failed"
    assert word in told[-1]["error"]


def test_motion_jpeg_is_a_video(client, tmp_path):
    clip = Clip(ticks=range(3), codec="mjpeg", pix_fmt="yuvj420p", options={})
    video_file = write_clip(tmp_path / "a.mjpeg", clip)
    begun = client.post("/v1/videos", params={"save": "csv"}, content=video_file.read_bytes()).json()
    _, told = events_of(client, begun["links"]["events"])
    assert (told[-1]["status"], told[-1]["frames"]) == ("done", 3)


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/v1/models", "/openapi.json", "/v1/jobs/none"])
def test_head_is_answered_as_get_without_the_body(client, path):
    got, asked = client.get(path), client.head(path)
    assert asked.status_code == got.status_code
    assert asked.headers["content-length"] == got.headers["content-length"]
    assert asked.content == b""


def test_a_result_says_its_size_to_head(client, video_file):
    begun = client.post("/v1/videos", params={"save": "csv"}, content=video_file.read_bytes()).json()
    events_of(client, begun["links"]["events"])
    asked = client.head(
        f"{begun['links']['self']}/results/video.csv", headers={"accept": "text/event-stream"}
    )
    assert int(asked.headers["content-length"]) > 0
    assert client.head(begun["links"]["events"]).status_code == 405


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"save": "holograms"}, "holograms"),
        ({"every": 0}, "every"),
        ({"task": "semantic", "save": "tracks"}, "tracks"),
    ],
)
def test_wrong_calls_are_told_at_once(client, video_file, query, word):
    answer = client.post("/v1/videos", params=query, content=video_file.read_bytes())
    assert answer.status_code == 422
    assert word in answer.json()["detail"]


def test_a_damaged_video_is_one_failed_job_that_tells_no_path(server, client, video_file):
    begun = client.post("/v1/videos", content=video_file.read_bytes()[:900]).json()
    names, told = events_of(client, begun["links"]["events"])
    assert names[-1] == "failed"
    assert told[-1]["error"].startswith("video: need a video")
    assert str(server.service.folder) not in told[-1]["error"]
    assert "/" not in told[-1]["error"].replace("file://", "")


def test_a_video_of_too_many_frames_is_refused(server, client, tmp_path):
    long = write_clip(tmp_path / "long.mkv", Clip(ticks=[0, 25 * 4000], size=(16, 16)))  # 4000 s by its times
    begun = client.post("/v1/videos", content=long.read_bytes()).json()
    _, told = events_of(client, begun["links"]["events"])
    assert told[-1]["status"] == "failed"
    assert "3600 seconds" in told[-1]["error"]


def test_frames_and_their_pixels_have_budgets(video_file, tmp_path):
    silent = write_clip(tmp_path / "a.mkv", Clip(ticks=range(5)))  # its header does not tell how many
    told = write_clip(tmp_path / "a.mp4", Clip(ticks=range(5)))
    with running_server(max_frames=4, max_pixels=10_000) as server, server.client() as client:
        for path, words in ((silent, "4 frames, got more"), (told, "4 frames, got 5"), (video_file, "Mpx")):
            begun = client.post("/v1/videos", params={"save": "csv"}, content=path.read_bytes()).json()
            last = events_of(client, begun["links"]["events"])[1][-1]
            assert last["status"] == "failed"
            assert words in last["error"]
            assert last["results"] == []


def test_the_client_gives_the_librarys_types(remote, video_file, blob, image, tmp_path):
    with maskweave.load() as segmenter:
        expected = segmenter(blob, score=0.02, multi_label=False).instances
    found = remote.segment(image, score=0.02)
    assert found.masks == expected.masks
    assert found.names == expected.names
    assert np.allclose(found.scores, expected.scores, atol=1e-5)
    foreground = remote.segment(image, score=0.02, task="foreground")
    assert foreground.names == ("foreground",)
    assert (foreground.masks.union() == expected.masks.union()).all()
    job = remote.video(
        video_file, save=("tracks", "csv"), score=0.02, lines=["64,0,64,96=gate"], zones=["0,0,64,0,64,96"]
    )
    states = list(job)
    assert [state.is_over for state in states] == [False] * (len(states) - 1) + [True]
    assert [path.name for path in job.download(tmp_path)] == ["video.tracks.json", "video.csv"]
    frames = list(job.instances())
    assert len(frames) == 8
    assert all(each.size == (96, 128) and each.track_ids is not None for each in frames)
    tracks = json.loads((tmp_path / "video.tracks.json").read_text())
    assert [each["name"] for each in tracks["counts"]["lines"]] == ["gate"]
    assert [each["name"] for each in tracks["counts"]["zones"]] == ["zone 1"]
    seen = tracks["annotations"]
    assert sum(len(each) for each in frames) == sum(area is not None for row in seen for area in row["areas"])
    job.cancel()
    with pytest.raises(ServerError, match="none of that id"):
        job.refresh()


def test_the_client_points_corrects_and_exports(remote, blob, image):
    disc = (blob == (220, 30, 30)).all(axis=2)
    found = remote.prompt(image, box=(20, 10, 80, 70))
    assert len(found) == 1
    assert (found.dense()[0] != disc).mean() < 0.01
    wrong = Masks.from_dense((disc | (np.arange(128) > 110))[None])
    corrected = remote.prompt(image, mask=wrong, points=[(120, 50, 0), (50, 40)])
    assert not corrected.dense()[0, 50, 120]
    assert (corrected.dense()[0] != disc).sum() < (wrong.dense()[0] != disc).sum()
    with pytest.raises(InvalidValue, match="need that of one object, got 0"):
        remote.prompt(image, mask=Masks.empty((96, 128)), points=[(1, 1)])
    ball = Instances(found, found.boxes, [0.5], [0], ("ball",))
    (row,) = json.loads(remote.export(image, ball, "coco"))["annotations"]
    assert (row["area"], row["score"]) == (found.areas[0], 0.5)
    alone = np.asarray(PILImage.open(io.BytesIO(remote.export(image, ball, "cutout", background="#123456"))))
    assert tuple(alone[90, 120, :3]) == (0x12, 0x34, 0x56)
    assert tuple(alone[40, 50, :3]) == (220, 30, 30)


def test_the_client_tells_what_the_server_says(remote):
    with pytest.raises(ServerError, match="its first bytes are") as caught:
        remote.segment(b"no image")
    assert (caught.value.status, caught.value.retry_after) == (415, None)
    with pytest.raises(ServerError, match="none of that id"):
        list(remote.job("unknown"))
    with pytest.raises(ServerError, match="need a name out of /v1/models") as caught:
        remote.video(b"no video", model="none")
    assert caught.value.status == 422
    with pytest.raises(InvalidValue, match="need an address like"):
        Client("ftp://example.org")
    assert remote.models()[0]["name"] == "compact-s"


def endless(tmp_path):
    """A clip that takes long to segment: one still frame, hundreds of times."""
    return write_clip(tmp_path / "endless.mp4", Clip(ticks=range(250), size=(240, 320)))


def test_cancelling_ends_the_process_and_the_next_video_is_unharmed(server, client, video_file, tmp_path):
    begun = client.post(
        "/v1/videos", params={"save": "overlay"}, content=endless(tmp_path).read_bytes()
    ).json()
    job = server.call(server.service.jobs.find, begun["id"])
    with client.stream("GET", begun["links"]["events"]) as answer:
        lines = answer.iter_lines()
        for line in lines:
            if line.startswith("data:") and json.loads(line[5:])["frames"] > 0:
                break
        (worker,) = server.service.videos.workers
        pid = worker.pid
        assert client.delete(begun["links"]["cancel"]).status_code == 204
        assert "event: cancelled" in list(lines)
    assert not is_alive(pid)
    assert not job.folder.exists()
    after = client.post("/v1/videos", params={"save": "csv"}, content=video_file.read_bytes()).json()
    assert events_of(client, after["links"]["events"])[0][-1] == "done"


def test_a_worker_that_is_killed_costs_its_job_only(server, client, video_file, tmp_path):
    begun = client.post(
        "/v1/videos", params={"save": "overlay"}, content=endless(tmp_path).read_bytes()
    ).json()
    after = client.post("/v1/videos", params={"save": "csv"}, content=video_file.read_bytes()).json()
    with client.stream("GET", begun["links"]["events"]) as answer:
        told = []
        for line in answer.iter_lines():
            if line.startswith("data:"):
                told.append(json.loads(line[5:]))
                if told[-1]["frames"] > 0 and told[-2]["frames"] == 0:
                    (worker,) = server.service.videos.workers
                    os.kill(worker.pid, signal.SIGKILL)
    assert told[-1]["status"] == "failed"
    assert "signal 9" in told[-1]["error"]
    assert events_of(client, after["links"]["events"])[0][-1] == "done"


def test_a_video_has_a_deadline_and_a_full_queue_says_when_to_come_back(video_file):
    with running_server(video_seconds=1.0, waiting_videos=0) as server, server.client() as client:
        begun = client.post("/v1/videos", content=video_file.read_bytes()).json()
        (worker,) = server.service.videos.workers
        wait_until(lambda: worker.pid is not None)
        os.kill(worker.pid, signal.SIGSTOP)  # so that it surely takes too long
        refused = client.post("/v1/videos", content=video_file.read_bytes())
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        last = events_of(client, begun["links"]["events"])[1][-1]
        assert last["status"] == "failed"
        assert "not done after 1 seconds" in last["error"]
        wait_until(lambda: list(server.service.folder.iterdir()) == [])


def test_results_are_kept_for_a_while_only(video_file):
    with running_server(keep_seconds=0.5) as server, server.client() as client:
        begun = client.post("/v1/videos", params={"save": "csv"}, content=video_file.read_bytes()).json()
        assert events_of(client, begun["links"]["events"])[0][-1] == "done"
        wait_until(lambda: client.get(begun["links"]["self"]).status_code == 404)
        assert list(server.service.folder.iterdir()) == []


def test_of_too_many_results_the_oldest_go(monkeypatch, video_file):
    monkeypatch.setattr("maskweave.serving.jobs._MAX_FINISHED", 1)
    with running_server() as server, server.client() as client:
        done = []
        for _ in range(2):
            begun = client.post("/v1/videos", params={"save": "csv"}, content=video_file.read_bytes()).json()
            events_of(client, begun["links"]["events"])
            done.append(begun["links"]["self"])
        wait_until(lambda: client.get(done[0]).status_code == 404)
        assert client.get(f"{done[1]}/results/video.csv").status_code == 200
        assert len(list(server.service.folder.iterdir())) == 1


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
