"""Fold away the channel shuffles of ShuffleNet V2.

A unit of ShuffleNet V2 passes the first half of its channels on, computes new ones from the second half, and
interleaves the two (arXiv:1807.11164). The interleaving moves memory and computes nothing: it only decides which
later unit reads which channel. Here each unit writes its channels in the order in which they are read, so that every
read is a few slices, and the weights of a published network are permuted once to fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Slices = tuple[tuple[int, int, int], ...]
"""(source, first, last): channels first..last - 1 of a source; 0 is the shortcut, 1 + u is unit u."""


@dataclass(frozen=True)
class StagePlan:
    """Who reads what in a stage of 2 * half channels.

    Attributes:
        half: Channels that each unit makes.
        units: Number of units; the first one's shortcut makes the other half of its channels.
        reads: For units 1, 2, …: the slices whose concatenation the unit reads.
        output: The slices whose concatenation the stage returns.
        orders: For each source: at its channel `i`, the channel that a shuffled network has at `orders[source][i]`.
        read_orders: For units 1, 2, …: position among the second half, in a shuffled network, of each channel read.
        output_order: Position in a shuffled network's output of each channel returned.
    """

    half: int
    units: int
    reads: tuple[Slices, ...]
    output: Slices
    orders: tuple[NDArray[np.intp], ...]
    read_orders: tuple[NDArray[np.intp], ...]
    output_order: NDArray[np.intp]


def plan_stage(channels: int, units: int) -> StagePlan:
    """Follow every channel of a stage from the unit that makes it to the one that reads it."""
    half = channels // 2
    shuffled = _interleave(_source(0, half), _source(1, half))
    wanted = []
    for unit in range(1, units):
        passed, read = shuffled[:half], shuffled[half:]
        wanted.append(read)
        shuffled = _interleave(passed, _source(1 + unit, half))
    wanted.append(shuffled)
    orders = tuple(
        np.concatenate([_of_source(reader, source) for reader in wanted]) for source in range(units + 1)
    )
    slices, positions = zip(*(_slices(reader, orders) for reader in wanted), strict=True)
    return StagePlan(
        half=half,
        units=units,
        reads=slices[:-1],
        output=slices[-1],
        orders=orders,
        read_orders=positions[:-1],
        output_order=positions[-1],
    )


def _source(index: int, half: int) -> NDArray[np.intp]:
    """(half, 2) of (source, channel)."""
    return np.stack((np.full(half, index), np.arange(half)), 1)


def _interleave(first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.stack((first, second), 1).reshape(-1, 2)


def _of_source(reader: NDArray[np.intp], source: int) -> NDArray[np.intp]:
    own: NDArray[np.intp] = reader[reader[:, 0] == source, 1]
    return own


def _slices(
    reader: NDArray[np.intp], orders: tuple[NDArray[np.intp], ...]
) -> tuple[Slices, NDArray[np.intp]]:
    """A reader's slices, and where each channel of their concatenation stands in what it reads when shuffled."""
    slices, positions = [], []
    for source in np.unique(reader[:, 0]).tolist():
        own = np.flatnonzero(reader[:, 0] == source)
        first = int(np.flatnonzero(orders[source] == reader[own[0], 1])[0])
        slices.append((source, first, first + len(own)))
        positions.append(own)
    return tuple(slices), np.concatenate(positions)
