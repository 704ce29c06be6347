"""Matroska damaged in its middle is told by its structure; files of any rate, live or odd, are not said to be."""

import random
from fractions import Fraction

import numpy as np
import pytest

from maskweave.sources.matroska import matroska_damage
from maskweave.sources.video import VideoSource
from tests.clips import Clip, write_clip
from tests.hostile.corpus import without_length

CLUSTER, CHECKSUM = b"\x1f\x43\xb6\x75", b"\xbf\x84"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """40 frames of noise in several clusters, with audio and checksums, and as WebM without."""
    folder, images = (
        tmp_path_factory.mktemp("whole"),
        np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3)),
    )
    files = {}
    for name, codec, audio in (("a.mkv", "libx264", "aac"), ("a.webm", "libvpx", None)):
        clip = Clip(range(40), images=images.astype(np.uint8), codec=codec, audio=audio, options={"g": "5"})
        files[name] = write_clip(folder / name, clip).read_bytes()
    assert CHECKSUM in files["a.mkv"]
    assert CHECKSUM not in files["a.webm"]
    return files


def frames_of(path):
    with VideoSource(path, threads=1) as source:
        return [frame.image for frame in source], source.warnings


def told(tmp_path, data, name="a.mkv"):
    (tmp_path / name).write_bytes(data)
    return matroska_damage(tmp_path / name)


@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_what_is_whole_is_not_said_to_be_damaged(whole, tmp_path, name):
    assert told(tmp_path, whole[name], name) == []
    assert frames_of(tmp_path / name)[1] == []
    for percent in range(100):
        assert (
            told(tmp_path, whole[name][: len(whole[name]) * percent // 100], name) == []
        )  # cut: told elsewhere


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
@pytest.mark.parametrize("seed", range(4))
def test_a_variable_rate_is_no_damage(tmp_path, suffix, seed):
    ticks = np.cumsum(np.random.default_rng(seed).choice([1, 2, 33, 400, 9000], 30)).tolist()
    codec = {".mkv": "libx264", ".webm": "libvpx"}[suffix]
    clip = Clip(ticks, time_base=Fraction(1, 1000), codec=codec, options={"g": "7"})
    frames, warnings = frames_of(write_clip(tmp_path / f"a{suffix}", clip))
    assert (len(frames), warnings) == (30, [])


def test_live_recordings_are_no_damage(whole, tmp_path):
    assert told(tmp_path, without_length(whole["a.mkv"])) == []
    path = tmp_path / "a.webm"
    path.write_bytes(without_lengths(whole["a.webm"]))
    assert frames_of(path)[1] == []
    assert len(frames_of(path)[0]) == 40
    live = bytearray(path.read_bytes())
    live[live.index(b"\xa3", live.rindex(CLUSTER) + 8)] = 0
    assert told(tmp_path, live)


def without_lengths(data):
    """The file with clusters of unknown length, as browsers record them."""
    changed, at = bytearray(without_length(data)), -1
    while (at := changed.find(CLUSTER, at + 1)) >= 0:
        count = 9 - changed[at + 4].bit_length()
        changed[at + 4 : at + 4 + count] = ((1 << 7 * count) - 1 | 1 << 7 * count).to_bytes(count)
    return bytes(changed)


def test_zeros_where_a_recording_was_stopped_are_told_as_such(whole, tmp_path):
    path = tmp_path / "a.mkv"
    options = {"live": "1"}
    write_clip(path, Clip(range(30), container_options=options))
    data = path.read_bytes()
    path.write_bytes(data + bytes(5000))
    (message,) = matroska_damage(path)
    assert message.startswith(f"nothing but zeros from byte {len(data):,} on")


def test_other_files_are_none_of_its_business(tmp_path):
    for data in (
        b"",
        b"\x1a\x45\xdf\xa3",
        b"\x1a\x45\xdf\xa3" + bytes(99),
        b"\0" * 99,
        b"\x1a\x45\xdf\xa3\x80" * 9,
    ):
        assert told(tmp_path, data) == []


def damaged(data, way, seed):
    """The file with bytes in its middle zeroed, flipped or taken out."""
    rng, changed = random.Random(seed), bytearray(data)
    at = rng.randrange(data.index(CLUSTER) + 30, data.rindex(CLUSTER) + 1000)
    length = rng.choice((1, 20, 300, 3000))
    if way == "zeroed":
        changed[at : at + length] = bytes(len(changed[at : at + length]))
    elif way == "flipped":
        for place in range(at, min(at + length, len(changed)), 9):
            changed[place] ^= 1 << rng.randrange(8)
    else:
        del changed[at : at + length]
    return bytes(changed)


@pytest.mark.parametrize("way", ["zeroed", "flipped", "taken out"])
@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_no_frame_is_missing_without_a_word(whole, tmp_path, name, way):
    path = tmp_path / name
    path.write_bytes(whole[name])
    expected, _ = frames_of(path)
    lengths = set()
    for seed in range(15):
        data = damaged(whole[name], way, seed)
        path.write_bytes(data)
        frames, warnings = frames_of(path)
        lengths.add(len(frames))
        assert warnings or len(frames) == len(expected), seed
        if name == "a.mkv" and data != whole[name]:
            assert warnings, seed  # with checksums every byte counts
    assert len(lengths) > 1 or way == "flipped"


@pytest.mark.parametrize(
    ("what", "find", "put"),
    [
        ("an element that does not belong there", b"\xa3", b"\xa2"),
        ("a number of thousands of bytes", b"\xa3", b"\xab"),
        ("no element", b"\xa3", b"\x00"),
        ("a length beyond the cluster", b"\xa3", b"\xa3\x10\xff\xff\xff"),
    ],
)
def test_what_is_wrong_in_a_chain_of_blocks_is_told_with_its_time(whole, tmp_path, what, find, put):
    data = whole["a.webm"]
    second = data.index(CLUSTER, data.index(CLUSTER) + 4)
    at = data.index(find, second + 9)  # the first block, behind id, length and time
    (sentence,) = told(tmp_path, data[:at] + put + data[at + len(put) :], "a.webm")
    assert sentence.startswith("the container is damaged in a place, first after ")
    seconds = float(sentence.split("after ")[1].split()[0])
    assert 0 < seconds < 1.6


def test_a_block_of_a_track_that_is_not_there_is_told(whole, tmp_path):
    data = whole["a.webm"]
    block = data.index(b"\xa3", data.index(CLUSTER) + 9)
    at = (
        block + 1 + 9 - data[block + 1].bit_length()
    )  # behind the length, whose first bit says how long it is
    assert data[at] in (0x81, 0x82)
    assert told(tmp_path, data[:at] + b"\x87" + data[at + 1 :], "a.webm")


def test_what_lies_between_clusters_is_told_and_the_next_one_is_found(whole, tmp_path):
    data = whole["a.mkv"]
    second = data.index(CLUSTER, data.index(CLUSTER) + 4)
    (sentence,) = told(tmp_path, data[:second] + bytes(4) + data[second + 4 :])
    assert "in a place" in sentence
    last = data.rindex(CLUSTER)
    (sentence,) = told(
        tmp_path, data[:second] + bytes(4) + data[second + 4 : last + 40] + b"!" + data[last + 41 :]
    )
    assert "in 2 places" in sentence
