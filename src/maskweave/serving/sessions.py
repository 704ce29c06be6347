"""Browser sessions: a cookie for what a player loads by itself, when it cannot send the token."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict

COOKIE = "maskweave_session"
SECONDS = 12 * 3600
_MAX_SESSIONS = 256


class Sessions:
    """The sessions that are open; the oldest of too many ends."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, float] = OrderedDict()

    def begin(self) -> str:
        """A new session's secret."""
        secret = secrets.token_urlsafe(32)
        self._ends[secret] = time.monotonic() + SECONDS
        while len(self._ends) > _MAX_SESSIONS:
            self._ends.popitem(last=False)
        return secret

    def knows(self, secret: str) -> bool:
        """Whether a session of that secret is open; the secret has 256 bits, so looking it up tells nothing."""
        return self._ends.get(secret, 0.0) > time.monotonic()
