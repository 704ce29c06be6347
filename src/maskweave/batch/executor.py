"""How a job is run: where, and with what limits. It decides nothing about its files."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from maskweave.cores import cores
from maskweave.errors import InvalidValue
from maskweave.option_fields import check_choices, option

MEMORY = 4_000_000_000
"""Bytes that an item may take over what the loaded model takes: twenty times the largest image allowed."""
DEADLINE = 600.0
"""Seconds without a finished frame."""
MAX_SECONDS = 7 * 86400.0


@dataclass(frozen=True)
class ExecutorConfig:
    """Where and with how many workers.

    ``executor``: "local", this machine's processes, or "ray", a cluster. ``workers``: None takes all cores.
    ``memory``: bytes an item may take in its worker. ``deadline``: seconds without a finished frame after which an
    item has failed. ``address``: of the cluster, "auto" finds it, None starts Ray on this machine.
    ``split``: seconds of the stretches that long videos are looked at in, by several workers; None: whole.
    """

    executor: Literal["local", "ray"] = option(
        "local",
        "local: processes of this machine; ray: a cluster, extra [ray].",
        kind=str,
        choices=("local", "ray"),
    )
    address: str | None = option(
        None, "Address of the Ray cluster: auto or host:port; by default Ray starts on this machine."
    )
    workers: int | None = option(None, "Workers, one core each.  [default: all cores]", min=1)
    memory: int = option(
        MEMORY,
        "Maximum memory of a worker in MB (Linux).",
        kind=int,
        parse=lambda megabytes: megabytes * 1_000_000,
        to_word=lambda size: size // 1_000_000,
        min=100,
    )
    deadline: float = option(
        DEADLINE, "Seconds without a finished frame after which an input has failed.", min=0.001
    )
    split: float | None = option(
        None, "Split long videos into parts of this many seconds, for several workers."
    )

    def __post_init__(self) -> None:
        """Raise `InvalidValue` for values out of range."""
        check_choices(self)
        if self.workers is not None and self.workers < 1:
            raise InvalidValue(f"--workers: need at least 1, got {self.workers}")
        if self.memory <= 0 or not 0 < self.deadline <= MAX_SECONDS:
            raise InvalidValue(
                f"--memory and --deadline: need more than 0 and at most a week, got {self.memory} bytes and "
                f"{self.deadline:g} s"
            )
        if self.split is not None and not 0 < self.split < math.inf:
            raise InvalidValue(f"--split: need more than 0 seconds, got {self.split:g}")
        if self.address is not None and self.executor != "ray":
            raise InvalidValue("--address: is for --executor ray")

    @property
    def workers_here(self) -> int:
        """Workers on this machine."""
        return cores() if self.workers is None else self.workers
