"""Every promise of "safe by default", from outside: real sockets, real bytes."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest

from maskweave.errors import InvalidValue
from maskweave.serving.guard import SECURITY_HEADERS
from maskweave.serving.settings import Settings
from tests.clips import write_clip
from tests.serving.conftest import encoded, running_server, wait_until

FORM = {"content-type": "image/png"}
TOKEN = "a-token-of-some-length"


def talk(server, data, *, more=()):
    """Send bytes as they are and return everything that comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
        wire.sendall(data)
        try:
            for piece in more:
                wire.sendall(piece)
        except OSError:
            pass  # the server has heard enough
        received = b""
        while piece := wire.recv(65536):
            received += piece
    return received


def upload_folders(server):
    return sorted(server.service.folder.iterdir())


# Who may ask


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_only_loopback_needs_no_token(host):
    with pytest.raises(InvalidValue, match="needs a token"):
        Settings(host=host)
    assert Settings(host=host, token=TOKEN).token == TOKEN


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_is_what_only_this_machine_reaches(host):
    assert Settings(host=host).token is None


def test_a_short_token_is_none():
    with pytest.raises(InvalidValue, match="at least 16"):
        Settings(token="short")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "a@localhost"]
)
def test_a_wrong_host_is_refused(server, host):
    answer = talk(server, f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] == b"421"
    assert b"compact-s" not in answer


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9", "[::1]:8000"])
def test_names_of_this_machine_are_served(server, host):
    answer = talk(server, f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] == b"200"


def test_two_hosts_and_none_are_refused(server):
    two = talk(server, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    none = talk(server, b"GET / HTTP/1.0\r\n\r\n")
    assert two.split()[1] in (b"400", b"421")
    assert none.split()[1] in (b"400", b"421")


def test_a_further_name_is_served_where_it_is_allowed():
    settings = Settings(host="0.0.0.0", token=TOKEN, allow_hosts=("masks.example",))
    assert settings.serves_host("masks.example")
    assert settings.serves_host("192.168.1.5")  # no page can send an address that is not its own
    assert not settings.serves_host("evil.example")
    assert not Settings(allow_hosts=("masks.example",)).serves_host("192.168.1.5")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_other_sites_may_not_use_it(client, image, headers):
    answer = client.post("/v1/segment", content=image, headers={**FORM, **headers})
    assert answer.status_code == 403
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_its_own_page_may(server, client, image):
    headers = {**FORM, "origin": server.url, "sec-fetch-site": "same-origin"}
    assert client.post("/v1/segment", content=image, headers=headers).status_code == 200


def test_cors_is_off(client):
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = client.options("/v1/segment", headers=headers)
    assert answer.status_code == 403
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.fixture(scope="module")
def locked():
    """A server with a token."""
    with running_server(token=TOKEN) as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer wrong-token-of-some"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"cookie": f"maskweave_session={TOKEN}"},
        {"cookie": "maskweave_session="},
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/jobs/x", "/metrics"])
def test_without_the_token_nothing_is_told(locked, headers, path):
    with locked.client(headers=headers) as client:
        answer = client.get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_with_the_token_all_is_served(locked, image):
    with locked.client(headers={"authorization": f"Bearer {TOKEN}"}) as client:
        assert client.post("/v1/segment", content=image, headers=FORM).status_code == 200
    with locked.client() as client:
        assert client.post("/v1/segment", content=image, headers=FORM).status_code == 401
        for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
            assert client.get(path).status_code == 200


def test_a_session_reads_jobs_and_nothing_else(locked):
    with locked.client() as client:
        assert client.post("/v1/session").status_code == 401
        answer = client.post("/v1/session", headers={"authorization": f"Bearer {TOKEN}"})
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert client.get("/v1/jobs/x").status_code == 404  # known, but there is no such job
        assert client.delete("/v1/jobs/x").status_code == 401
        assert client.get("/v1/models", headers={"cookie": answer.headers["set-cookie"]}).status_code == 401


# What every answer says


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/healthz", "/v1/models", "/v1/jobs/x", "/nowhere", "/openapi.json"]
)
def test_every_answer_has_the_security_headers(client, path):
    answer = client.get(path)
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "server" not in answer.headers


def test_refusals_have_them_too(client):
    answer = client.get("/healthz", headers={"host": "evil.example"})
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_documentation_asks_nobody_else(client):
    page = client.get("/docs").text
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
    assert "/v1/segment" in page


@pytest.mark.parametrize("name", ["..%2Fsettings.py", "../settings.py", "%2Fetc%2Fpasswd", "nothing.js"])
def test_static_files_are_those_of_the_page(client, name):
    assert client.get(f"/static/{name}").status_code == 404


# What may be sent


@pytest.fixture(scope="module")
def small():
    """A server that takes 100 kB, and waits for little."""
    with running_server(max_upload=100_000, upload_seconds=2.0) as running:
        yield running


def chunks(size, count):
    return [f"{size:x}\r\n".encode() + bytes(size) + b"\r\n"] * count


@pytest.mark.parametrize("path", ["segment", "videos"])
def test_a_body_is_counted_though_its_length_is_not_told(small, path):
    head = f"POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    answer = talk(small, head, more=chunks(16384, 100))
    assert answer.split()[1] == b"413"
    assert b"at most 0.1 MB" in answer
    assert upload_folders(small) == []


def test_a_length_over_the_limit_is_refused_unread(small):
    answer = talk(small, b"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n")
    assert answer.split()[1] == b"413"


@pytest.mark.parametrize("field", ["image", "request", "other"])
def test_forms_are_counted_too(small, image, field):
    files = {"image": image, field: bytes(200_000)}
    with small.client() as client:
        answer = client.post("/v1/segment", files=files)
    assert answer.status_code == 413


def test_the_json_beside_a_file_is_limited(client, image):
    answer = client.post("/v1/export", files={"image": image}, data={"request": " " * 8_000_001})
    assert answer.status_code == 413
    assert "8 MB" in answer.json()["detail"]


def test_a_slow_body_is_given_up(small):
    head = b"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
    started = time.monotonic()
    answer = talk(small, head + b"\x89PNG")
    assert answer.split()[1] == b"408"
    assert time.monotonic() - started < 20
    assert upload_folders(small) == []


def test_slow_clients_keep_nobody_waiting(small, image):
    head = b"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", small.port)) for _ in range(20)]
    try:
        for wire in slow:
            wire.sendall(head + b"\x89PNG")
        with small.client() as client:
            assert client.post("/v1/segment", content=image, headers=FORM).status_code == 200
    finally:
        for wire in slow:
            wire.close()


def test_who_does_not_read_the_answer_keeps_nobody_waiting(server, client, image):
    before = set(upload_folders(server))
    noise = np.random.default_rng(0).integers(0, 256, (2200, 2200, 3), dtype=np.uint8)
    body = encoded(noise, "JPEG")
    head = (
        "POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nAccept: image/jpeg\r\n"
        f"Content-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.connect(("127.0.0.1", server.port))
    try:
        wire.sendall(head.encode() + body)
        assert wire.recv(12) == b"HTTP/1.1 200"  # and no further: megabytes wait in the server's file
        assert client.post("/v1/segment", content=image, headers=FORM).status_code == 200
        wait_until(lambda: len(set(upload_folders(server)) - before) == 1)
    finally:
        wire.close()
    wait_until(lambda: set(upload_folders(server)) <= before)


def test_bodies_on_their_way_are_counted(image):
    head = b"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
    with running_server(uploads=1) as server, server.client() as client:
        with socket.create_connection(("127.0.0.1", server.port)) as wire:
            wire.sendall(head + b"\x89PNG")
            wait_until(lambda: upload_folders(server) != [])
            answer = client.post("/v1/segment", content=image, headers=FORM)
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) >= 1
        wait_until(lambda: upload_folders(server) == [])
        assert client.post("/v1/segment", content=image, headers=FORM).status_code == 200


def test_a_connection_that_breaks_off_leaves_nothing(server, client, image):
    before = upload_folders(server)
    head = f"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(image)}\r\n\r\n".encode()
    for cut in (0, 10, len(image) // 2):
        with socket.create_connection(("127.0.0.1", server.port)) as wire:
            wire.sendall(head + image[:cut])
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, not closed
    assert client.post("/v1/segment", content=image, headers=FORM).status_code == 200
    wait_until(lambda: upload_folders(server) == before)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b\r\n",
        b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\ncut',
        b"--b\r\n\r\nno name\r\n--b--\r\n",
        b"\x00" * 500,
        b"".join(b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' for _ in range(50))
        + b"--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n1\r\n' * 2 + b"--b--\r\n",
    ],
)
def test_malformed_forms_are_told(client, body):
    answer = client.post(
        "/v1/segment", content=body, headers={"content-type": "multipart/form-data; boundary=b"}
    )
    assert answer.status_code in (415, 422)


def test_kinds_are_told_by_content_not_by_name(client, image, tmp_path):
    clip = write_clip(tmp_path / "a.mp4").read_bytes()
    named = ("a.mp4", image, "video/mp4")
    assert client.post("/v1/segment", files={"image": named}).status_code == 200
    assert client.post("/v1/segment", files={"image": ("a.png", clip, "image/png")}).status_code == 415
    assert client.post("/v1/videos", files={"video": named}).status_code == 415
    texts = [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"%!PS", b"#EXTM3U\n", b"v=0\n"]
    texts += [b"<VRTDataset rasterXSize='1'/>", b"<MPD/>", b"push graphic-context\n", b"http://a/b.png"]
    for text in texts:
        assert client.post("/v1/videos", files={"video": ("a.mp4", text, "video/mp4")}).status_code == 415
        assert client.post("/v1/segment", files={"image": ("a.png", text, "image/png")}).status_code == 415


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXTINF:1,\n{path}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile {path}\n"]
)
def test_a_playlist_named_mp4_is_refused(client, tmp_path, text):
    secret = write_clip(tmp_path / "secret.ts")
    os.utime(secret, (0, secret.stat().st_mtime))
    playlist = text.format(path=secret).encode()
    answer = client.post("/v1/videos", files={"video": ("clip.mp4", playlist, "video/mp4")})
    assert answer.status_code == 415
    assert secret.stat().st_atime == 0


@pytest.mark.parametrize(
    "name", ["../../../tmp/evil.png", "/etc/cron.d/evil", "a\x00b.png", "x" * 5000, "..", "CON"]
)
def test_names_of_uploads_touch_nothing(server, client, image, name):
    before = upload_folders(server)
    answer = client.post("/v1/segment", files={"image": (name, image)})
    assert answer.status_code in (200, 422)  # a name may break the form, and nothing else
    wait_until(lambda: upload_folders(server) == before)


def test_addresses_are_not_loaded_unless_allowed(client):
    answer = client.post("/v1/segment", json={"url": "http://127.0.0.1:1/x.png"})
    assert answer.status_code == 403
    assert "--allow-urls" in answer.json()["detail"]


# What happens to those who work


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def corrupt_images(image):
    """Damaged in header, middle and end; and one that promises more than it has."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 6000, 6000, 8, 2, 0, 0, 0))
    promise = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    flipped = bytearray(image)
    flipped[len(image) // 2] ^= 0xFF
    return [
        image[:30],
        image[: len(image) // 2],
        bytes(flipped),
        promise,
        b"\xff\xd8\xff" + bytes(300),
        b"GIF89a",
    ]


def test_corrupt_files_beside_good_ones(server, client, image):
    expected = client.post("/v1/segment", content=image, headers=FORM).json()["objects"]
    bad = corrupt_images(image)
    answers = {}

    def ask(number):
        with server.client() as mine:
            data = image if number % 2 else bad[number // 2 % len(bad)]
            answers[number] = mine.post("/v1/segment", content=data, headers=FORM)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2 * len(bad))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [answers[n].status_code for n in range(0, 2 * len(bad), 2)] == [422] * len(bad)
    assert all(answers[n].json()["objects"] == expected for n in range(1, 2 * len(bad), 2))


def test_a_worker_that_is_killed_at_work_costs_one_request(server, client, image):
    (worker,) = server.service.images.workers
    folders, before = upload_folders(server), worker.pid
    os.kill(before, signal.SIGSTOP)  # so that it is surely at work when it is killed
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{server.url}/v1/segment", content=image, timeout=60))
    )
    asking.start()
    wait_until(lambda: server.service.images.occupied == 1)
    os.kill(before, signal.SIGKILL)
    asking.join(60)
    assert answers[0].status_code == 500
    assert answers[0].json()["title"] == "worker lost"
    assert client.post("/v1/segment", content=image, headers=FORM).status_code == 200
    assert worker.pid != before
    wait_until(lambda: upload_folders(server) == folders)


def test_nobody_works_for_a_client_that_has_gone(server, client, image):
    (worker,) = server.service.images.workers
    done = segmented(server)
    os.kill(worker.pid, signal.SIGSTOP)
    asking = threading.Thread(
        target=lambda: httpx.post(f"{server.url}/v1/segment", content=image, timeout=60)
    )
    asking.start()
    wait_until(lambda: server.service.images.occupied == 1)
    head = f"POST /v1/segment HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(image)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        wire.sendall(head + image)
        wait_until(lambda: server.service.images.occupied == 2)
    os.kill(worker.pid, signal.SIGCONT)
    asking.join(60)
    wait_until(lambda: server.service.images.occupied == 0)
    assert segmented(server) == done + 1


def test_a_full_queue_says_when_to_come_back(image):
    with running_server(waiting=0) as server, server.client() as client:
        (worker,) = server.service.images.workers
        os.kill(worker.pid, signal.SIGSTOP)
        first = threading.Thread(
            target=lambda: httpx.post(f"{server.url}/v1/segment", content=image, timeout=60)
        )
        first.start()
        wait_until(lambda: server.service.images.occupied == 1)
        answer = client.post("/v1/segment", content=image, headers=FORM)
        os.kill(worker.pid, signal.SIGCONT)
        first.join(60)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1


def test_a_server_that_stops_takes_no_more_work_and_says_so(image):
    with running_server() as server, server.client() as client:
        assert client.get("/readyz").status_code == 200
        server.call(server.service.stop)
        for path, body in (("segment", image), ("videos", image)):
            answer = client.post(f"/v1/{path}", content=body, headers=FORM)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200


def test_a_deadline_ends_what_takes_too_long(image):
    with running_server(image_seconds=0.5) as server, server.client() as client:
        (worker,) = server.service.images.workers
        os.kill(worker.pid, signal.SIGSTOP)
        answer = client.post("/v1/segment", content=image, headers=FORM)
        assert answer.status_code == 504
        wait_until(lambda: worker.is_running)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux limits all memory of a process")
def test_memory_is_limited(server, client, image):
    """Enough for the model and a small image, not for one of 49 Mpx: that request fails, and no other."""
    assert client.post("/v1/segment", content=image, headers=FORM).status_code == 200
    status = Path(f"/proc/{server.service.images.workers[0].pid}/status").read_text()
    (used,) = re.findall(r"VmData:\s+(\d+) kB", status)
    large = encoded(np.zeros((7000, 7000, 3), np.uint8), "JPEG")
    with running_server(memory=int(used) * 1024 + 100_000_000) as limited, limited.client() as client:
        answer = client.post("/v1/segment", content=large, headers=FORM)
        assert answer.status_code == 422
        assert "memory" in answer.json()["detail"]
        assert client.post("/v1/segment", content=image, headers=FORM).status_code == 200


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads a process's limits from /proc")
def test_workers_have_limits_and_leave_no_core_file(server):
    limits = Path(f"/proc/{server.service.images.workers[0].pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, flags=re.MULTILINE)
    assert re.search(rf"^Max data size +{server.settings.memory} ", limits, flags=re.MULTILINE)


def test_the_process_that_keeps_the_connections_loads_no_engine():
    script = (
        "import sys, maskweave.serving.run, maskweave.cli.serving\n"
        "print(*{'onnxruntime', 'openvino', 'av', 'torch'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


def test_nothing_is_left_when_it_stops(image):
    with running_server() as server, server.client() as client:
        assert client.post("/v1/segment", content=image, headers=FORM).status_code == 200
        folder = server.service.folder
        pids = [worker.pid for worker in server.service.images.workers]
        assert folder.is_dir()
    assert not folder.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_errors_show_no_path_of_this_machine(server, client, image, tmp_path):
    answers = [
        client.post("/v1/segment", content=image[:50], headers=FORM),
        client.post(
            "/v1/refine", files={"image": image}, data={"request": json.dumps({"box": [0, 0, 1, 1]})}
        ),
        client.post("/v1/segment", params={"model": "x"}, content=image, headers=FORM),
    ]
    for answer in answers:
        assert "/tmp" not in answer.text
        assert str(server.service.folder) not in answer.text


def segmented(server):
    """How many images it has segmented."""
    return server.service.metrics.registry.get_sample_value("maskweave_segment_seconds_count")
