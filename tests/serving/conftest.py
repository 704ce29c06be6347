"""A server of its own for the tests: real sockets on loopback, real processes, in a thread."""

import asyncio
import io
import threading
import time
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from PIL import Image as PILImage

from maskweave.catalog.cache import folder_of, record
from maskweave.catalog.entries import find
from maskweave.serving.run import serve
from maskweave.serving.settings import Settings
from tests.models.promptable import sam


class Running:
    """A server in a thread: its ``url``, and its ``service`` to look into."""

    def __init__(self, settings):
        self.settings = settings
        self._up = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            self._up.set()

    async def _serve(self):
        self._loop = asyncio.get_running_loop()

        def started(port, service, stop):
            self.url, self.port, self.service, self._stop = f"http://127.0.0.1:{port}", port, service, stop
            self._up.set()

        await serve(self.settings, started=started)

    def start(self):
        self._thread.start()
        self._up.wait(120)
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self):
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    def call(self, function, *arguments):
        """Run something in the server's own loop."""

        async def called():
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(30)

    def client(self, **options):
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False, **options)


def started_server(**settings):
    """A server that whoever calls must stop."""
    return Running(Settings(port=0, **{"workers": 1, "grace": 2.0, **settings})).start()


@contextmanager
def running_server(**settings):
    server = started_server(**settings)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server():
    """The server that most tests share; what they do to it, it must survive."""
    with running_server() as running:
        yield running


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def promptable_server(tmp_path_factory):
    """A server on whose machine efficient-sam-ti was pulled: a network of its layout that knows what is bright.

    It ends with its module, since until then every other server that is started finds that model, too.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASKWEAVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        put_in_cache("efficient-sam-ti", sam(side=1024))
        with running_server() as running:
            yield running


def put_in_cache(name, *contents):
    """Write a model's files as if they were the published ones."""
    entry = find(name)
    folder_of(entry).mkdir(parents=True)
    for file, content in zip(entry.files, contents, strict=True):
        path = folder_of(entry) / file.name
        path.write_bytes(content)
        record(file, path, file.checksum.value)


def encoded(image, form="PNG"):
    buffer = io.BytesIO()
    PILImage.fromarray(image).save(buffer, format=form)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def blob():
    """An image with one thing in it: a red disc on gray."""
    y, x = np.mgrid[:96, :128]
    image = np.full((96, 128, 3), 90, np.uint8)
    image[(x - 50) ** 2 + (y - 40) ** 2 < 25**2] = (220, 30, 30)
    return image


@pytest.fixture(scope="session")
def image(blob):
    return encoded(blob)


def wait_until(condition, seconds=30):
    """Wait for what other threads do; a condition, not a time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    return True
