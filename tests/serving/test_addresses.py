"""Addresses that requests name: only the public internet, by the address that was checked, also after redirects."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave.serving.addresses import Fetcher, is_public
from maskweave.serving.problems import Problem
from tests.serving.conftest import running_server

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1"),
        *("169.254.169.254", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:93.184.216.34", "::ffff:0:10.0.0.1", "::10.0.0.1"),
        *("64:ff9b::10.0.0.1", "64:ff9b::93.184.216.34", "64:ff9b:1::1", "2002:7f00:1::1", "2001:0:1::1"),
        *("", "localhost", "1.2.3"),
    ],
)
def test_what_is_not_the_public_internet(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::200e"])
def test_what_is(address):
    assert is_public(address)


@given(st.ip_addresses(v=4).filter(lambda address: not address.is_global))
def test_no_private_address_gets_by_as_an_ipv6_one(address):
    for prefix in ("::ffff:", "64:ff9b::", "::", "::ffff:0:"):
        assert not is_public(f"{prefix}{address}")


class Web:
    """A server on loopback that stands for the internet: ``pages`` by path; ``opened`` is what was connected to."""

    def __init__(self, pages, names):
        self.pages, self.names = pages, names
        self.opened = []
        self.asked = []

    async def resolve(self, host, port):
        self.asked.append(host)
        found = self.names[host]
        return found.pop(0) if isinstance(found[0], list) else found

    async def connect(self, address, port, tls_host):
        self.opened.append(address)
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def fetch(self, address, path, **limits):
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        try:
            fetcher = Fetcher(**{"max_bytes": 1000, **limits}, resolve=self.resolve, connect=self.connect)
            await fetcher.fetch(address, path)
        finally:
            server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                await task
        return path.read_bytes()

    async def _answer(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        answer = self.pages[head.split()[1].decode()]
        writer.write(answer if answer is not None else b"")
        if answer is None:
            await reader.read()  # never answers, until the other side has gone
        writer.close()


def page(body, status="200 OK", **headers):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


def fetched(web, address, path, **limits):
    return asyncio.run(web.fetch(address, path / "file", **limits))


def test_a_image_is_loaded_also_after_redirects(tmp_path):
    pages = {"/a?x=1": page(b"", "302 Found", Location="/b"), "/b": page(b"pixels")}
    web = Web(pages, {"images.example": [PUBLIC]})
    assert fetched(web, "http://images.example/a?x=1", tmp_path) == b"pixels"
    assert web.opened == [PUBLIC, PUBLIC]


@pytest.mark.parametrize(
    "target",
    ["http://inside.example/", "http://127.0.0.1:8000/", "https://[::ffff:10.0.0.1]/", "file:///etc/passwd"],
)
def test_redirects_to_the_inside_are_refused(tmp_path, target):
    names = {
        "images.example": [PUBLIC],
        "inside.example": ["10.0.0.1"],
        "127.0.0.1": ["127.0.0.1"],
        "::ffff:10.0.0.1": ["::ffff:10.0.0.1"],
    }
    web = Web({"/": page(b"", "302 Found", Location=target)}, names)
    with pytest.raises(Problem, match=r"not on the public internet|need http or https"):
        fetched(web, "http://images.example/", tmp_path)
    assert web.opened == [PUBLIC]


def test_a_name_that_changes_its_meaning_is_resolved_once(tmp_path):
    web = Web({"/": page(b"pixels")}, {"rebind.example": [[PUBLIC], ["127.0.0.1"]]})
    assert fetched(web, "http://rebind.example/", tmp_path) == b"pixels"
    assert web.asked == ["rebind.example"]
    assert web.opened == [PUBLIC]


def test_one_private_address_among_public_ones_is_enough(tmp_path):
    web = Web({}, {"mixed.example": [PUBLIC, "192.168.1.1"]})
    with pytest.raises(Problem, match="not on the public internet"):
        fetched(web, "http://mixed.example/", tmp_path)
    assert web.opened == []


@pytest.mark.parametrize(
    "address",
    [
        "ftp://images.example/",
        "http:///x",
        "http://user:secret@images.example/",
        "http://images.example:x/",
        "x",
    ],
)
def test_other_addresses_are_refused(tmp_path, address):
    web = Web({}, {"images.example": [PUBLIC]})
    with pytest.raises(Problem) as caught:
        fetched(web, address, tmp_path)
    assert web.opened == []
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "limits", "word"),
    [
        (page(bytes(1001)), {}, "more than 0.001 MB"),
        (page(b"", "404 Not Found"), {}, "answered 404"),
        (page(b"", "302 Found", Location="/"), {}, "redirects"),
        (page(b"pixels")[:-3], {}, "cannot be loaded"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", {}, "cannot be loaded"),
        (None, {"seconds": 0.2}, "cannot be loaded .TimeoutError"),
    ],
)
def test_what_serves_no_image_is_told(tmp_path, answer, limits, word):
    web = Web({"/": answer}, {"images.example": [PUBLIC]})
    with pytest.raises(Problem, match=word):
        fetched(web, "http://images.example/", tmp_path, **limits)


def test_the_server_refuses_its_own_machine():
    with running_server(allow_urls=True) as server, server.client() as client:
        hosts = ("localhost", "2130706433", "0x7f000001", "0", "127.1", "[::1]", "[::ffff:127.0.0.1]")
        inside = [f"http://{host}:{server.port}/" for host in hosts]
        for address in (server.url, *inside, "http://169.254.169.254/latest/", "http://[64:ff9b::7f00:1]/"):
            answer = client.post("/v1/segment", json={"url": address})
            assert answer.status_code == 422
            assert "not on the public internet" in answer.json()["detail"]
        assert client.post("/v1/segment", json={"urls": [json.dumps({})]}).status_code == 422
