"""Live video over a WebSocket: frames are answered or skipped, never queued, and what is wrong is said."""

import os
import signal
from contextlib import suppress

import numpy as np
import pytest

from tests.clips import Clip, write_clip
from tests.serving.conftest import encoded, running_server, wait_until
from tests.serving.sockets import Closed, Refused, live, talk

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def cat():
    """A photo that comes with scikit-image."""
    return pytest.importorskip("skimage.data", reason="needs scikit-image").chelsea()


@pytest.fixture(scope="module")
def jpeg(cat):
    return encoded(cat, "JPEG")


@pytest.fixture(scope="module")
def video_file(cat, tmp_path_factory):
    """Half a second in which the camera moves over the photo."""
    images = [cat[20 : 20 + 192, 60 + 4 * step : 60 + 4 * step + 256].copy() for step in range(12)]
    path = tmp_path_factory.mktemp("live") / "cat.mp4"
    return write_clip(path, Clip(ticks=range(12), size=(192, 256), images=images))


@pytest.fixture(scope="module")
def live_server(video_file):
    """A server that has a video to show, and no free place for a second live video."""
    with running_server(live_sources=(str(video_file),), live_sessions=1) as server:
        yield server


def free(server):
    """Wait until the live video before has come to its end."""
    wait_until(lambda: server.call(lambda: server.service.live.occupied) == 0)


@pytest.fixture
def server(live_server):
    free(live_server)
    return live_server


def problem(talking):
    """The last words of a connection, after which it is closed."""
    while "error" not in (message := talking.receive()):
        pass
    with pytest.raises(Closed):
        talking.receive()
    return message["error"]


# What is answered


def test_frames_are_answered_with_objects_that_keep_their_ids(server, jpeg, cat):
    with live(server) as (talking, ready):
        assert ready["task"] == "instances"
        assert "cat" in ready["class_names"]
        ids = []
        for number in range(3):
            talking.frame(number, jpeg)
            answer = talking.receive()
            assert answer["frame"] == number
            assert answer["size"] == list(cat.shape[:2])
            ids.append({each["id"]: each["class"] for each in answer["objects"]})
            assert all(
                set(each) == {"id", "class", "score", "area", "box", "rle"} for each in answer["objects"]
            )
    assert ids[0] == ids[1] == ids[2] != {}


def test_what_is_found_is_what_a_photo_has(server, jpeg):
    with server.client() as client:
        found = client.post("/v1/segment", content=jpeg, headers={"content-type": "image/jpeg"}).json()
    with live(server, track=False) as (talking, _):
        talking.frame(0, jpeg)
        assert talking.receive()["objects"] == found["objects"]


def test_options_are_those_of_a_video(server, jpeg):
    with live(server, task="foreground", score=0.3) as (talking, ready):
        assert ready["task"] == "foreground"
        talking.frame(0, jpeg)
        (region,) = talking.receive()["objects"]
    assert region["class"] == "foreground"


def test_a_frame_of_another_size_begins_another_video(server, cat):
    with live(server) as (talking, _):
        for number, image in enumerate((cat, cat[:, :300].copy(), cat)):
            talking.frame(number, encoded(image, "JPEG"))
            assert talking.receive()["size"] == list(image.shape[:2])


def test_lines_and_zones_count_and_can_be_changed(server, jpeg):
    with live(server, zone=["0,0,451,0,451,300,0,300=all"]) as (talking, _):
        talking.frame(0, jpeg)
        counts = talking.receive()["counts"]
        assert counts["zones"]["all"][0] >= 1
        talking.tell(line=["10,10,200,10=gate"])
        talking.frame(1, jpeg)
        assert talking.receive()["counts"] == {"lines": {"gate": [0, 0]}, "zones": {}}
        talking.tell(line=["10,10,9000,10=gate"])
        talking.frame(2, jpeg)
        assert "gate" in talking.receive()["warning"]
        assert talking.receive()["counts"] is None


# Skipped, never queued


def test_of_frames_that_come_too_fast_only_the_newest_waits(server, jpeg):
    service = server.service
    with live(server) as (talking, _):
        talking.frame(0, jpeg)
        assert talking.receive()["frame"] == 0
        (worker,) = service.live.workers
        before = service.metrics.uploaded._value.get()
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            for number in range(1, 11):
                talking.frame(number, jpeg)
            sent = 10 * (len(jpeg) + 12)
            wait_until(lambda: service.metrics.uploaded._value.get() == before + sent)
        finally:
            os.kill(worker.pid, signal.SIGCONT)
        answers = [talking.receive() for _ in range(2)]
        assert [each["frame"] for each in answers] == [1, 10]
        assert answers[-1]["skipped"] == 8


def test_a_video_is_shown_in_its_own_time_and_the_page_is_waited_for(server, video_file):
    with live(server, source=0) as (talking, ready):
        assert ready["name"] == video_file.name
        first, image = talking.receive()
        assert image.startswith(b"\xff\xd8\xff")
        assert first["size"] == [192, 256]
        second, _ = talking.receive()  # a third one does not come before the first is said to be shown
        times = [first["time"], second["time"]]
        talking.tell(shown=0)
        talking.tell(shown=1)
        while isinstance(message := talking.receive(), tuple):
            times.append(message[0]["time"])
            talking.tell(shown=message[0]["frame"])
    assert message == {"over": "the video is over"}
    assert times == sorted(set(times))
    assert len(times) <= 12


# What is refused


def test_a_second_live_video_finds_no_place(server):
    with live(server), talk(server) as talking:
        talking.tell()
        error = problem(talking)
    assert error["kind"] == "QueueFull"
    assert "all 1 are taken" in error["detail"]


def test_a_place_is_free_again_when_the_connection_breaks_off(server, jpeg):
    with live(server) as (talking, _):
        talking.frame(0, jpeg)  # and is not waited for
    free(server)
    with live(server) as (talking, _):
        talking.frame(0, jpeg)
        assert talking.receive()["frame"] == 0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"score": 2}, "score"),
        ({"classes": "unicorn"}, "unicorn"),
        ({"shade": 1}, "shade"),
        ({"model": "../../etc/passwd"}, "model: need a name"),
        ({"source": 7}, "source: need a number"),
        ({"address": "rtsp://127.0.0.1/x"}, "--allow-streams"),
        ({"line": ["1,2"]}, "line"),
        ({"task": "semantic", "line": ["1,2,3,4"]}, "line"),
    ],
)
def test_what_cannot_be_had_is_said_and_the_connection_closed(server, asked, words):
    with talk(server) as talking:
        talking.tell(**asked)
        assert words in problem(talking)["detail"]


def test_frames_that_are_no_jpeg_are_answered_with_why_and_the_next_goes_on(server, jpeg, cat):
    with live(server) as (talking, _):
        for number, (data, words) in enumerate(
            [
                (encoded(cat, "PNG"), "need a JPEG"),
                (b"", "need a JPEG"),
                (jpeg[:200], "frame"),
                (jpeg + bytes(4_000_000), "need at most 4 MB"),
            ]
        ):
            talking.frame(number, data)
            answer = talking.receive()
            assert answer["frame"] == number
            assert words in answer["refused"]
        talking.frame(9, jpeg)
        assert talking.receive()["objects"]


def test_a_frame_over_the_limit_of_pixels_is_refused(video_file, cat):
    with running_server(max_pixels=50_000, live_sessions=1) as server, live(server) as (talking, _):
        talking.frame(0, encoded(cat, "JPEG"))
        error = talking.receive()["refused"]
        assert "Mpx" in error
        assert "--" not in error
        talking.frame(1, encoded(cat[:100, :100].copy(), "JPEG"))
        assert talking.receive()["size"] == [100, 100]


@pytest.mark.parametrize("data", [b"short", b"\0" * 4 + np.float64(np.nan).tobytes()])
def test_a_frame_without_number_and_time_ends_it(server, data):
    with live(server) as (talking, _):
        talking.send_bytes(data)
        assert "frame: need" in problem(talking)["detail"]


def test_a_message_beyond_all_limits_is_not_received(server):
    with live(server) as (talking, _):
        with suppress(OSError):  # it may be closed before all is sent
            talking.send_bytes(bytes(9_000_000))
        with pytest.raises((Closed, OSError)):
            talking.receive()


def test_who_says_nothing_is_sent_away(live_server):
    free(live_server)
    with running_server(live_idle_seconds=0.1, live_sessions=1) as server, live(server) as (talking, _):
        assert "nothing came" in problem(talking)["detail"]


def test_a_process_that_ends_ends_one_live_video_and_is_replaced(server, jpeg):
    with live(server) as (talking, _):
        os.kill(server.service.live.workers[0].pid, signal.SIGKILL)
        talking.frame(0, jpeg)
        assert problem(talking)["kind"] == "WorkerLost"
    free(server)
    with live(server) as (talking, _):
        talking.frame(0, jpeg)
        assert talking.receive()["frame"] == 0


# Who may ask


def test_pages_of_other_sites_and_other_names_are_refused(server):
    for headers, status in [
        ({"origin": "https://evil.example"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
    ]:
        with pytest.raises(Refused) as refused, talk(server, **headers):
            pass
        assert refused.value.status == status
    with talk(server, origin=f"http://127.0.0.1:{server.port}"):
        pass


def test_the_token_is_needed_or_the_cookie_that_it_gets():
    with running_server(token=TOKEN) as server:
        for headers in (
            {},
            {"authorization": "Bearer another-token-than-that"},
            {"cookie": "maskweave_session=1"},
        ):
            with pytest.raises(Refused) as refused, talk(server, **headers):
                pass
            assert refused.value.status == 401
        with talk(server, authorization=f"Bearer {TOKEN}"):
            pass
        with server.client() as client:
            client.post("/v1/session", headers={"authorization": f"Bearer {TOKEN}"})
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        with talk(server, cookie=cookie):
            pass


# What the server shows


def test_the_page_learns_what_can_be_shown_and_no_password(video_file):
    sources = (str(video_file), "rtsp://user:secret@camera.local/one")
    with running_server(live_sources=sources, allow_streams=True) as server, server.client() as client:
        answer = client.get("/v1/live/sources").json()
    assert answer == {"sources": [video_file.name, "rtsp://camera.local/one"], "streams": True}


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("rtsp://127.0.0.1:9/none", "rtsp://127.0.0.1:9/none"),
        ("http://127.0.0.1:9/none.mjpg", "127.0.0.1:9"),
        ("camera:973", "camera 973"),
        ("/etc/passwd", "address: need rtsp"),
        ("file:///etc/passwd", "address: need rtsp"),
        ("camera:0/../../etc/passwd", "address: need rtsp"),
    ],
)
def test_an_address_that_does_not_answer_is_said(streams_server, address, words):
    free(streams_server)
    with talk(streams_server) as talking:
        talking.tell(address=address)
        assert words in problem(talking)["detail"]


@pytest.fixture(scope="module")
def streams_server(cat, tmp_path_factory):
    image = tmp_path_factory.mktemp("image") / "cat.png"
    image.write_bytes(encoded(cat))
    with running_server(
        allow_streams=True, live_sessions=1, live_sources=(str(image), "nowhere.mp4")
    ) as server:
        yield server


@pytest.mark.parametrize(("source", "words"), [(0, "got an image"), (1, "nowhere.mp4")])
def test_a_source_that_is_no_video_is_said(streams_server, source, words):
    free(streams_server)
    with talk(streams_server) as talking:
        talking.tell(source=source)
        detail = problem(talking)["detail"]
    assert words in detail
    assert "/" not in detail  # where it lies


def test_a_server_that_stops_ends_live_videos(jpeg):
    with running_server(live_sessions=1) as server, live(server) as (talking, _):
        talking.frame(0, jpeg)
        assert talking.receive()["frame"] == 0
        server.call(server._stop)
        with pytest.raises((Closed, OSError)):
            talking.receive()
