"""Fetch images from addresses that a request names, on the public internet only.

A name is resolved once, what it stands for is checked, and that very address is connected to, so that a name which
changes its meaning in between (DNS rebinding) gains nothing. Redirects are followed here, each checked in the same
way. Proxies are not used: they would resolve names themselves.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, urljoin, urlsplit

import h11

from maskweave.serving.problems import Problem

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""A host's name and a port to its addresses, in text."""
Connect: TypeAlias = Callable[[str, int, str | None], Awaitable[Streams]]
"""An address, a port, and the host's name for encryption (None: without) to an open connection."""

_MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_PIECE = 1 << 16

_TRANSLATED = tuple(
    ipaddress.ip_network(net)
    for net in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
    )
)
"""IPv6 addresses that stand for IPv4 ones: NAT64 (RFC 6052, 8215), 6to4, Teredo, compatible, mapped, translated."""


def is_public(text: str) -> bool:
    """Whether an address is one of the public internet, and not this machine, its network, or a way round to them.

    >>> is_public("93.184.216.34"), is_public("127.0.0.1"), is_public("::ffff:8.8.8.8"), is_public("64:ff9b::a00:1")
    (True, False, False, False)
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:  # with a zone, or no address at all
        return False
    if any(address in network for network in _TRANSLATED if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast


async def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says, in its order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


async def connect(address: str, port: int, tls_host: str | None) -> Streams:
    """Open a connection to an address; encrypted, the certificate must be the host's."""
    tls = ssl.create_default_context() if tls_host else None
    return await asyncio.open_connection(address, port, ssl=tls, server_hostname=tls_host)


@dataclass(frozen=True)
class Fetcher:
    """Loads what an address serves, of ``max_bytes`` at most, within ``seconds`` in all."""

    max_bytes: int
    seconds: float = 30.0
    resolve: Resolve = resolve
    connect: Connect = connect

    async def fetch(self, address: str, path: Path) -> None:
        """Write it to ``path``; raises a `Problem` when it cannot be had or may not be asked for."""
        try:
            async with asyncio.timeout(self.seconds):
                await self._fetch(address, path)
        except (OSError, ValueError, h11.ProtocolError) as error:  # TimeoutError is one of the first
            raise _refused(f"cannot be loaded ({type(error).__name__})") from None

    async def _fetch(self, address: str, path: Path) -> None:
        for _ in range(_MAX_REDIRECTS + 1):
            parts = _checked(address)
            streams = await self._open(parts)
            try:
                further = await self._receive(_answer(streams, parts), path)
            finally:
                streams[1].transport.abort()  # without the words of parting that it need not listen to
            if further is None:
                return
            address = urljoin(address, further)
        raise _refused(f"more than {_MAX_REDIRECTS} redirects")

    async def _open(self, parts: SplitResult) -> Streams:
        """A connection to the one address that was checked."""
        host = parts.hostname or ""
        port = _port(parts)
        found = await self.resolve(host, port)
        if not found or not all(is_public(each) for each in found):
            raise _refused("it leads to an address that is not on the public internet")
        return await self.connect(found[0], port, host if parts.scheme == "https" else None)

    async def _receive(self, events: AsyncIterator[h11.Event], path: Path) -> str | None:
        """Write the body to ``path``; returns where the answer redirects to, or None."""
        count = 0
        with path.open("wb") as file:
            async for event in events:
                if isinstance(event, h11.Response):
                    if event.status_code in _REDIRECTS:
                        return dict(event.headers).get(b"location", b"").decode("ascii")
                    if event.status_code != 200:
                        raise _refused(f"its server answered {event.status_code}")
                elif isinstance(event, h11.Data):
                    count += len(event.data)
                    if count > self.max_bytes:
                        raise _refused(f"more than {self.max_bytes / 1e6:g} MB")
                    file.write(event.data)
        return None


async def _answer(streams: Streams, parts: SplitResult) -> AsyncIterator[h11.Event]:
    """Ask for what ``parts`` names, and yield the other side's events until the end of its answer."""
    reader, writer = streams
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = [
        ("host", parts.netloc),
        ("accept", "image/*"),
        ("accept-encoding", "identity"),
        ("user-agent", "maskweave"),
        ("connection", "close"),
    ]
    wire = h11.Connection(h11.CLIENT)
    writer.write(wire.send(h11.Request(method="GET", target=target, headers=headers)) or b"")
    writer.write(wire.send(h11.EndOfMessage()) or b"")
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(_PIECE))
        elif isinstance(event, h11.EndOfMessage):
            return
        elif isinstance(event, h11.Event):
            yield event


def _checked(address: str) -> SplitResult:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise _refused("need http or https, a host, and no user name")
    _ = parts.port  # raises for one that is no number
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _refused(why: str) -> Problem:
    return Problem(422, "SourceNotFound", f"url: {why}; load the image yourself and send it")
