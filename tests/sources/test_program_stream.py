"""Program streams damaged in their middle are told by the chain of their packets; whole ones are not."""

import random

import pytest

from maskweave.sources.program_stream import program_stream_damage
from maskweave.sources.video import VideoSource
from tests.clips import Clip, write_clip

PACK = b"\0\0\1\xba"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "a.mpg"
    return write_clip(
        path, Clip(range(50), codec="mpeg2video", audio="mp2", options={"g": "12"})
    ).read_bytes()


def told(tmp_path, data):
    (tmp_path / "a.mpg").write_bytes(data)
    return program_stream_damage(tmp_path / "a.mpg")


@pytest.mark.parametrize("name", ["a.mpg", "a.vob"])
@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video"])
def test_what_is_whole_is_not_said_to_be_damaged(tmp_path, name, codec):
    path = write_clip(tmp_path / name, Clip(range(30), codec=codec, audio="mp2", options={}))
    assert program_stream_damage(path) == []
    data = path.read_bytes()
    assert told(tmp_path, data + bytes(5000)) == []
    at = data.index(PACK, len(data) // 2)
    assert told(tmp_path, data[:at] + bytes(20) + data[at:]) == []


def test_damage_is_told_with_its_place(whole, tmp_path):
    at = whole.index(PACK, len(whole) // 2)
    (message,) = told(tmp_path, whole[:at] + bytes(3000) + whole[at + 3000 :])
    assert f"damaged in a place, first at byte {at:,}: frames may be missing" in message
    (message,) = told(tmp_path, whole[: at + 9] + whole[at + 900 :])
    assert "damaged in a place" in message


def test_any_other_file_is_none_of_its(tmp_path):
    for data in (b"", b"x", bytes(100), b"\x47" * 400):
        assert told(tmp_path, data) == []
    for seed in range(50):
        rng = random.Random(seed)
        assert len(told(tmp_path, PACK + rng.randbytes(rng.randrange(200)))) <= 1


def test_a_lost_packet_with_many_images_is_told(whole, tmp_path):
    path = tmp_path / "a.mpg"
    at = whole.index(PACK, len(whole) // 2)
    path.write_bytes(whole[:at] + bytes(len(whole) // 4) + whole[at + len(whole) // 4 :])
    with VideoSource(path, threads=1) as source:
        assert len(list(source)) == 50 or source.warnings
    assert any("program stream is damaged" in line for line in source.warnings)
