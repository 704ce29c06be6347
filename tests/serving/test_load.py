"""Ten times more than it can do: what is not done is told so, and the server stays as it was."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from maskweave.cli.app import app
from maskweave.cli.serve import size_in_bytes
from maskweave.errors import InvalidValue
from tests.clips import Clip, write_clip
from tests.serving.conftest import running_server, wait_until


async def _storm(url, picture, *, count):
    """So many requests at once, each on a connection of its own; the statuses, and those of /healthz meanwhile."""
    limits = httpx.Limits(max_connections=count + 1)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits, trust_env=False) as client:

        async def ask():
            answer = await client.post("/v1/segment", content=picture)
            if answer.status_code == 429:
                assert int(answer.headers["retry-after"]) >= 1
            return answer.status_code

        asked = [asyncio.create_task(ask()) for _ in range(count)]
        health = []
        while not all(task.done() for task in asked):
            health.append((await client.get("/healthz")).status_code)
        return Counter([await task for task in asked]), set(health)


def test_ten_times_its_capacity(picture):
    with running_server(workers=1, waiting=3) as server:
        capacity = 1 + 3
        statuses, health = asyncio.run(_storm(server.url, picture, count=10 * capacity))
        assert set(statuses) <= {200, 429, 503}
        assert statuses[200] >= capacity
        assert statuses[429] > 0
        assert health == {200}
        assert server.service.pictures.taken == 0
        wait_until(lambda: list(server.service.folder.iterdir()) == [])
        after, _ = asyncio.run(_storm(server.url, picture, count=1))
        assert after == {200: 1}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process from /proc")
def test_memory_does_not_grow_with_requests(tmp_path, picture):
    """Twice the same number of requests: the second time takes nothing that the first had not taken."""
    with (
        serving(tmp_path) as (url, process),
        httpx.Client(base_url=url, trust_env=False, timeout=60) as client,
    ):

        def ask(count):
            for number in range(count):
                data = picture if number % 3 else picture[:100]
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
def test_a_signal_ends_it_in_order(tmp_path, number, picture):
    with serving(tmp_path) as (url, process):
        assert httpx.post(f"{url}/v1/segment", content=picture, timeout=60).status_code == 200
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        assert process.wait(60) == 0
        assert process.stderr.read().strip() == "maskweave: stopped"
    assert list(tmp_path.iterdir()) == []


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
