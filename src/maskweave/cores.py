"""Count the processor cores that this process may use."""

from __future__ import annotations

import os


def cores() -> int:
    """Those that this process may use: a container or taskset may leave it fewer than the machine has."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # systems without it
        return os.cpu_count() or 1
