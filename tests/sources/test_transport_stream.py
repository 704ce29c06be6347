"""Transport streams damaged in their middle are told by their packets; whole ones, joined or scrambled, are not."""

import random

import numpy as np
import pytest

from maskweave.sources.transport_stream import transport_stream_damage
from maskweave.sources.video import VideoSource
from tests.clips import Clip, write_clip

PID, PACKET = 0x100, 188


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """60 frames of little bars, most of which lie in a packet each, with audio."""
    images = np.zeros((60, 48, 64, 3), np.uint8)
    for tick, image in enumerate(images):
        image[:, tick : tick + 4] = 255
    path = tmp_path_factory.mktemp("whole") / "a.ts"
    return write_clip(path, Clip(range(60), images=images, audio="mp2", options={"g": "12"})).read_bytes()


def told(tmp_path, data, stream=PID):
    (tmp_path / "a.ts").write_bytes(data)
    return transport_stream_damage(tmp_path / "a.ts", stream).sentences


def places_of(data):
    """Where the packets of images lie."""
    heads = range(0, len(data), PACKET)
    return [at for at in heads if (data[at + 1] & 31) << 8 | data[at + 2] == PID]


def with_times(data):
    """As Blu-ray and AVCHD have it: four bytes before each packet."""
    return b"".join(b"\0\0\0\1" + data[at : at + PACKET] for at in range(0, len(data), PACKET))


def test_what_is_whole_is_not_said_to_be_damaged(whole, tmp_path):
    assert told(tmp_path, whole) == []
    assert told(tmp_path, with_times(whole)) == []
    assert told(tmp_path, whole + bytes(100)) == []
    assert told(tmp_path, b"") == told(tmp_path, bytes(9000)) == []


def test_packets_may_come_twice_and_announce_that_they_count_anew(whole, tmp_path):
    at = places_of(whole)[40]
    assert told(tmp_path, whole[:at] + whole[at : at + PACKET] + whole[at:]) == []
    anew = bytes([0x47, PID >> 8, PID & 255, 0x30, 1, 0x80, *[0] * (PACKET - 6)])
    assert told(tmp_path, whole[:at] + anew + whole[at + PACKET :]) != []  # the one after it does not follow
    assert len(told(tmp_path, whole[:at] + anew)) == 0


def test_joined_files_are_a_jump_of_the_clock_and_no_damage(whole, tmp_path):
    heads = [at for at in places_of(whole) if whole[at + 1] & 0x40]
    (tmp_path / "a.ts").write_bytes(whole[: heads[55]] + whole[: heads[57]] + whole)
    assert transport_stream_damage(tmp_path / "a.ts", PID) == ([], 2)
    with VideoSource(tmp_path / "a.ts") as source:
        assert len(list(source)) == 55 + 57 + 60
    (message,) = source.warnings
    assert "clock jumps in 2 places" in message


@pytest.mark.parametrize("change", ["taken out", "no packet", "no unit", "error flag"])
def test_each_damage_is_told_with_its_place(whole, tmp_path, change):
    at = next(place for place in places_of(whole)[50:] if whole[place + 1] & 0x40)
    data = bytearray(whole)
    if change == "taken out":
        del data[at : at + PACKET]
        at = next(place for place in places_of(bytes(data)) if place >= at)  # the packet after it tells
    elif change == "no packet":
        data[at : at + PACKET] = bytes(PACKET)
    elif change == "no unit":
        data[at + 4 : at + PACKET] = bytes(PACKET - 4)
        data[at + 3] = data[at + 3] & 0x0F | 0x10
    else:
        data[at + 1] |= 0x80
    (message,) = told(tmp_path, bytes(data))
    assert f"damaged in a place, first at byte {at:,}: frames may be missing" in message
    assert told(tmp_path, bytes(data), stream=PID + 1) == [] or change == "no packet"


def test_nothing_but_zeros_up_to_the_end_is_told(whole, tmp_path):
    at = places_of(whole)[-4]
    (message,) = told(tmp_path, whole[:at] + bytes(len(whole) - at))
    assert message.startswith(f"nothing but zeros from byte {at:,} on")


@pytest.mark.parametrize("seed", range(12))
def test_no_frame_is_missing_in_silence(whole, tmp_path, seed):
    rng = random.Random(seed)
    at, length = rng.randrange(len(whole) // 4, len(whole) * 3 // 4), rng.choice((200, 700, 3000))
    between = rng.choice((bytes(length), b"", rng.randbytes(length)))
    path = tmp_path / "a.ts"
    path.write_bytes(whole[:at] + between + whole[at + length :])
    with VideoSource(path, threads=1) as source:
        assert len(list(source)) == 60 or source.warnings
