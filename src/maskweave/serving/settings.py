"""The settings of the server: addresses, limits and times."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from maskweave.catalog.entry import BUILT_IN
from maskweave.cores import cores
from maskweave.errors import InvalidValue
from maskweave.sources.base import MAX_PIXELS

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Settings:
    """The choices of one run of the server.

    - ``host``, ``port``: where it listens; a host other than loopback needs a ``token``.
    - ``allow_hosts``: further names that may stand in a request's ``Host``.
    - ``allow_urls``: whether a request may name the address of an image on the public internet.
    - ``live_sources``: cameras, streams and videos that the page may show live (``camera:0``, ``rtsp://…``, a file);
      ``allow_streams``: whether the page may also name the address of a stream, or a camera of this machine.
    - ``live_sessions``: live videos at a time; ``live_idle_seconds``: how long one may bring no frame.
    - ``change_models``: whether requests may fetch models of the catalog, and remove them.
    - ``model``: what requests that name none are answered with.
    - ``workers``: processes for images; videos have one more. ``threads``: of the engine in each.
    - ``memory``: bytes that a process may ask for (Linux: RLIMIT_DATA).
    - ``max_upload`` bytes of a body; ``max_pixels`` of an image or frame; ``max_frames`` and ``max_seconds`` of a
      video.
    - ``waiting``, ``waiting_videos``: requests that may wait for a process; more are sent away.
    - ``uploads``: bodies that may be on their way at once, each for ``upload_seconds`` at most.
    - ``image_seconds``, ``video_seconds``: what a piece of work may take, then its process is ended.
    - ``keep_seconds``: how long results of videos are kept. ``grace``: seconds to finish in at a signal to stop.

    Raises `InvalidValue` for a host without a token, and for limits that are not above 0.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    allow_hosts: tuple[str, ...] = ()
    allow_urls: bool = False
    live_sources: tuple[str, ...] = ()
    allow_streams: bool = False
    live_sessions: int = 2
    live_idle_seconds: float = 300.0
    change_models: bool = True
    model: str = BUILT_IN
    workers: int = min(4, cores())
    memory: int = 3_000_000_000
    max_upload: int = 64_000_000
    max_pixels: int = MAX_PIXELS
    max_frames: int = 100_000
    max_seconds: float = 3600.0
    waiting: int = 16
    waiting_videos: int = 4
    uploads: int = 64
    upload_seconds: float = 120.0
    image_seconds: float = 60.0
    video_seconds: float = 3 * 3600.0
    keep_seconds: float = 3600.0
    grace: float = 10.0

    def __post_init__(self) -> None:
        """Check what must not be wrong."""
        if self.token is None and not is_loopback(self.host):
            raise InvalidValue(
                f"host: {self.host} can be reached from other machines, which needs a token: "
                "add --token-file with a file that holds one"
            )
        if self.token is not None and len(self.token) < 16:
            raise InvalidValue(f"token: need at least 16 characters, got {len(self.token)}")
        for name in (
            "workers",
            "memory",
            "max_upload",
            "max_pixels",
            "max_frames",
            "uploads",
            "live_sessions",
        ):
            if getattr(self, name) < 1:
                raise InvalidValue(f"{name}: need 1 or more, got {getattr(self, name)}")

    @property
    def threads(self) -> int:
        """Threads of the engine in each process, so that all together have the cores once."""
        return max(1, cores() // self.workers)

    def serves_host(self, name: str) -> bool:
        """Whether ``name``, the host of a request without its port, is this server's.

        A page of another site whose name was pointed at this machine (DNS rebinding) sends that site's name. It can
        not send an address, so an address is fine where the server listens on all of them.
        """
        known = {*LOOPBACK_NAMES, self.host, *self.allow_hosts}
        return name in {each.lower() for each in known} or (
            is_wildcard(self.host) and _address(name) is not None
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches ``host``."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def is_wildcard(host: str) -> bool:
    """Whether ``host`` means every address of this machine."""
    address = _address(host)
    return host == "" or (address is not None and address.is_unspecified)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
