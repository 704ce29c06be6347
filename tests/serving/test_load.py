"""Ten times more than it can do: what is not done is told so, and the server stays as it was."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from maskweave.cli.app import app
from maskweave.cli.serve import size_in_bytes
from maskweave.errors import InvalidValue
from tests.clips import Clip, write_clip
from tests.serving.conftest import running_server, started_server, wait_until


async def _storm(url, image, *, count):
    """So many requests at once, each on a connection of its own; the statuses, and those of /healthz meanwhile."""
    limits = httpx.Limits(max_connections=count + 1)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits, trust_env=False) as client:

        async def ask():
            answer = await client.post("/v1/segment", content=image)
            if answer.status_code == 429:
                assert int(answer.headers["retry-after"]) >= 1
            return answer.status_code

        asked = [asyncio.create_task(ask()) for _ in range(count)]
        health = []
        while not all(task.done() for task in asked):
            health.append((await client.get("/healthz")).status_code)
        return Counter([await task for task in asked]), set(health)


def test_ten_times_its_capacity(image):
    with running_server(workers=1, waiting=3) as server:
        capacity = 1 + 3
        statuses, health = asyncio.run(_storm(server.url, image, count=10 * capacity))
        assert set(statuses) <= {200, 429, 503}
        assert statuses[200] >= capacity
        assert statuses[429] > 0
        assert health == {200}
        assert server.service.images.occupied == 0
        wait_until(lambda: list(server.service.folder.iterdir()) == [])
        after, _ = asyncio.run(_storm(server.url, image, count=1))
        assert after == {200: 1}


def test_what_is_at_work_is_finished_when_it_stops(image):
    server = started_server()
    (worker,) = server.service.images.workers
    os.kill(worker.pid, signal.SIGSTOP)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(httpx.post, f"{server.url}/v1/segment", content=image, timeout=60)
        wait_until(lambda: server.service.images.occupied == 1)
        stopped = threads.submit(server.stop)
        wait_until(lambda: server.service.is_stopping)
        os.kill(worker.pid, signal.SIGCONT)
        assert asked.result(60).status_code == 200
        stopped.result(60)


def test_what_does_not_finish_is_ended_after_the_time_of_grace(image):
    server = started_server(grace=1.0)
    (worker,) = server.service.images.workers
    os.kill(worker.pid, signal.SIGSTOP)
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(httpx.post, f"{server.url}/v1/segment", content=image, timeout=60)
        wait_until(lambda: server.service.images.occupied == 1)
        server.stop()
        assert asked.exception(60) is not None or asked.result().status_code >= 500
    assert not worker.is_running
    assert not server.service.folder.exists()


@pytest.mark.parametrize(
    "sent", [b"", b"GET /healthz HTT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he"]
)
def test_a_connection_without_a_whole_request_is_closed(monkeypatch, sent):
    monkeypatch.setattr("maskweave.serving.run._REQUEST_SECONDS", 0.2)
    with running_server() as server, socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
        wire.sendall(sent)
        received = b""
        while piece := wire.recv(65536):
            received += piece
    assert received.count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")


def test_connections_are_counted(monkeypatch):
    monkeypatch.setattr("maskweave.serving.run._MAX_CONNECTIONS", 2)
    with running_server() as server:
        wires = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(3)]
        try:
            for wire in wires[:2]:
                wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert wire.recv(4096).startswith(b"HTTP/1.1 200")
            with suppress(ConnectionError):
                wires[2].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert wires[2].recv(4096) == b""
        finally:
            for wire in wires:
                wire.close()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc")
def test_memory_does_not_grow_with_requests(tmp_path, image):
    """Twice the same number of requests: the second time takes nothing that the first had not taken."""
    with (
        serving(tmp_path) as (url, process),
        httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
    ):

        def ask(count):
            for number in range(count):
                data = image if number % 3 else image[:100]
                client.post("/v1/segment", files={"image": data}).read()
            return resident(process.pid)

        ask(30)
        first, second = ask(24), ask(24)
    assert second - first < 2_000_000


def resident(pid):
    return 1024 * int(re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0])


class serving:
    """`maskweave serve` as people start it: its address and its process."""

    def __init__(self, folder, *options):
        self._options = ("--port", "0", "--workers", "1", *options)
        self._folder = folder

    def __enter__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "maskweave", "serve", *self._options],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(self._folder)},
        )
        said = self.process.stderr.readline()
        return re.findall(r"http://\S+", said)[0], self.process

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path, number, image):
    with serving(tmp_path) as (url, process):
        assert httpx.post(f"{url}/v1/segment", content=image, timeout=60).status_code == 200
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        assert process.wait(60) == 0
        assert process.stderr.read().strip() == "maskweave: stopped"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads a process's children from /proc")
def test_no_worker_outlives_a_server_that_is_killed(tmp_path):
    with serving(tmp_path) as (_, process):
        text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        (worker,) = (int(each) for each in text.split())
        process.kill()
        process.wait()
        wait_until(lambda: not Path(f"/proc/{worker}/exe").exists())


def test_a_signal_cancels_a_video_and_tells_who_watches(tmp_path):
    clip = write_clip(tmp_path / "long.mp4", Clip(ticks=range(250), size=(240, 320)))
    (tmp_path / "t").mkdir()
    with serving(tmp_path / "t") as (url, process):
        begun = httpx.post(f"{url}/v1/videos", content=clip.read_bytes(), timeout=60).json()
        with httpx.stream("GET", url + begun["links"]["events"], timeout=60) as answer:
            lines = answer.iter_lines()
            next(line for line in lines if '"status": "running"' in line)
            process.send_signal(signal.SIGTERM)
            assert "event: cancelled" in list(lines)
        assert process.wait(60) == 0
    assert list((tmp_path / "t").iterdir()) == []


def test_a_taken_port_is_told_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(app, ["serve", "--port", str(taken.getsockname()[1]), "--workers", "1"])
    assert isinstance(result.exception, InvalidValue)
    assert "cannot be listened on" in str(result.exception)


@pytest.mark.parametrize("token", [None, "short"])
def test_another_host_needs_a_token(tmp_path, token):
    options = ["serve", "--host", "0.0.0.0"]
    if token is not None:
        (tmp_path / "token").write_text(token)
        options += ["--token-file", str(tmp_path / "token")]
    result = CliRunner().invoke(app, options)
    assert isinstance(result.exception, InvalidValue)
    assert "token" in str(result.exception)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--max-upload", "lots"], "--max-upload"),
        (["--max-upload", "-1MB"], "--max-upload"),
        (["--max-upload", "0"], "max_upload"),
        (["--token-file", "/nowhere/token"], "--token-file"),
    ],
)
def test_wrong_options_are_told(options, word):
    result = CliRunner().invoke(app, ["serve", *options])
    assert result.exit_code != 0
    assert word in result.output + str(result.exception)


@pytest.mark.parametrize(
    ("text", "size"), [("64MB", 64_000_000), ("1.5 gb", 1_500_000_000), ("2k", 2000), ("512", 512)]
)
def test_sizes(text, size):
    assert size_in_bytes(text, "--max-upload") == size
