"""How a job is run; it decides nothing about its files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from maskweave.cores import cores
from maskweave.errors import InvalidValue

MEMORY = 4_000_000_000
"""Bytes that an item may take over what the loaded model takes: twenty times the largest picture allowed."""
DEADLINE = 600.0
"""Seconds without a finished frame."""
MOST_SECONDS = 7 * 86400.0


@dataclass(frozen=True)
class How:
    """Where and with how many workers.

    ``engine``: "local", this machine's processes, or "ray", a cluster. ``workers``: None takes all cores.
    ``memory``: bytes an item may take in its worker. ``deadline``: seconds without a finished frame after which an
    item has failed. ``address``: of the cluster, "auto" finds it, None starts Ray on this machine.
    ``split``: seconds of the stretches that long videos are looked at in, by several workers; None: whole.
    """

    engine: Literal["local", "ray"] = "local"
    workers: int | None = None
    memory: int = MEMORY
    deadline: float = DEADLINE
    address: str | None = None
    split: float | None = None

    def __post_init__(self) -> None:
        """Raise `InvalidValue` for values out of range."""
        if self.engine not in ("local", "ray"):
            raise InvalidValue(f"--engine: need local or ray, got {self.engine!r}")
        if self.workers is not None and self.workers < 1:
            raise InvalidValue(f"--workers: need at least 1, got {self.workers}")
        if self.memory <= 0 or not 0 < self.deadline <= MOST_SECONDS:
            raise InvalidValue(
                f"--memory and --deadline: need more than 0 and at most a week, got {self.memory} bytes and "
                f"{self.deadline:g} s"
            )
        if self.split is not None and not 0 < self.split < math.inf:
            raise InvalidValue(f"--split: need more than 0 seconds, got {self.split:g}")
        if self.address is not None and self.engine != "ray":
            raise InvalidValue("--address: is for --engine ray")

    @property
    def workers_here(self) -> int:
        """Workers on this machine."""
        return cores() if self.workers is None else self.workers
