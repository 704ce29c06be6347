"""Files cut at every percent, with bytes flipped and zeroed: never gray padding, never silently short."""

import errno
import os
import random

import numpy as np
import pytest
from PIL import Image

from maskweave.errors import MaskWeaveError
from maskweave.isolation import is_memory
from maskweave.sources.extent import broken_at, missing_bytes
from maskweave.sources.files import open_file
from maskweave.sources.images import ImageSource, read_image
from maskweave.sources.video import VideoSource
from tests.clips import Clip, write_clip
from tests.hostile.corpus import encoded, noise, whole_files, without_length

IMAGES, VIDEOS = (".jpg", ".png", ".webp"), (".mp4", ".mkv", ".avi")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return whole_files(tmp_path_factory.mktemp("whole"))


def frames_of(path):
    """Images and warnings of a video, or None and the error."""
    try:
        with VideoSource(path, threads=1) as source:
            return [frame.image for frame in source], source.warnings
    except MaskWeaveError as error:
        return None, [str(error)]


@pytest.mark.parametrize("suffix", IMAGES)
def test_a_image_that_ends_anywhere_is_refused(whole, suffix):
    data = whole[suffix]
    for percent in range(100):
        with pytest.raises(MaskWeaveError) as caught:
            read_image(data[: len(data) * percent // 100], label="photo")
        assert str(caught.value).startswith("photo: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", VIDEOS)
def test_a_video_that_ends_anywhere_is_refused_or_told_and_its_frames_are_right(whole, suffix, tmp_path):
    path = tmp_path / f"video{suffix}"
    path.write_bytes(whole[suffix])
    expected, told = frames_of(path)
    assert (len(expected), told) == (10, [])
    lengths = set()
    for percent in range(1, 100):
        path.write_bytes(whole[suffix][: len(whole[suffix]) * percent // 100])
        frames, told = frames_of(path)
        assert told, percent
        assert not any("\n" in line for line in told)
        if frames is None:
            continue
        lengths.add(len(frames))
        intact = len(frames) - 1  # the last may be half there, which is told
        assert all(np.array_equal(one, other) for one, other in zip(frames[:intact], expected, strict=False))
    assert max(lengths, default=0) >= (0 if suffix == ".mp4" else 9)


def test_an_mp4_with_its_index_first_is_told_to_be_short(tmp_path):
    images = [noise(seed=number) for number in range(10)]
    options = {"crf": "20", "g": "4"}
    parts = write_clip(tmp_path / "plain.mp4", Clip(ticks=range(10), images=images, options=options))
    import av

    front = tmp_path / "front.mp4"
    with (
        av.open(str(parts)) as source,
        av.open(str(front), "w", options={"movflags": "frag_keyframe+empty_moov"}) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    data = front.read_bytes()
    assert frames_of(front)[1] == []
    assert missing_bytes(front) == 0
    for percent in range(30, 100):
        front.write_bytes(data[: len(data) * percent // 100])
        assert frames_of(front)[1], percent


@pytest.mark.parametrize("suffix", [*IMAGES, *VIDEOS])
@pytest.mark.parametrize("way", ["flipped", "zeroed"])
def test_spoilt_bytes_give_an_error_or_images_of_the_promised_size(whole, suffix, way, tmp_path):
    path = tmp_path / f"file{suffix}"
    for seed in range(30):
        rng, data = random.Random(seed), bytearray(whole[suffix])
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(data))
            if way == "flipped":
                data[at] ^= 1 << rng.randrange(8)
            else:
                end = min(len(data), at + rng.randint(1, 200))
                data[at:end] = bytes(end - at)
        path.write_bytes(data)
        try:
            with open_file(path, "file", max_pixels=1_000_000) as source:
                frames = [frame.image for frame in source]
        except MaskWeaveError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
            continue
        assert len({frame.shape for frame in frames}) == 1
        if suffix == ".png":
            assert np.array_equal(frames[0], noise())  # its checksums let nothing else pass
        if source.info.frame_count is not None and source.info.kind == "video":
            assert len(frames) == source.info.frame_count or source.warnings


def test_a_whole_live_recording_is_not_said_to_be_cut(tmp_path):
    path = write_clip(tmp_path / "live.mkv", Clip(ticks=range(5)))
    path.write_bytes(without_length(path.read_bytes()))
    frames, told = frames_of(path)
    assert (len(frames), told) == (5, [])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x1a\x45\xdf\xa3",
        b"\x1a\x45\xdf\xa3\x00",
        b"\x1a\x45\xdf\xa3\x01\xff",
        b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01",
        b"\0\0\0\x01ftyp\0",
        b"\0\0\0\0ftyp",
        b"\0\0\0\x08ftyp\0\0\0\x01mdat" + b"\xff" * 8,
        b"\0\0\0\x08ftyp" * 2 + b"junk at the end",
    ],
)
def test_any_head_has_a_length(tmp_path, data):
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    assert missing_bytes(path) >= 0


def test_what_follows_an_mp4_is_not_taken_for_a_part_of_it(tmp_path):
    path = write_clip(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes() + random.Random(1).randbytes(99))
    assert missing_bytes(path) == 0


def test_fragments_of_an_mp4_that_do_not_follow_each_other_are_told(tmp_path):
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    path = write_clip(tmp_path / "a.mp4", Clip(range(40), options={"g": "5"}, container_options=fragments))
    data = path.read_bytes()
    assert broken_at(path) is None
    path.write_bytes(data + bytes(64))
    assert broken_at(path) is None
    at = data.index(b"moof", len(data) // 2) - 4
    path.write_bytes(data[:at] + b"\0\0\x10\0\xff\x01\x02\x03" + data[at + 8 :])
    assert broken_at(path) == at
    with VideoSource(path, threads=1) as source:
        assert len(list(source)) < 40
    assert any(f"at byte {at:,}" in line for line in source.warnings)
    assert broken_at(write_clip(tmp_path / "b.mp4")) is None


def test_tags_of_an_flv_that_do_not_follow_each_other_are_told(tmp_path):
    path = write_clip(tmp_path / "a.flv", Clip(range(20), codec="flv", options={"g": "5"}))
    data = path.read_bytes()
    assert broken_at(path) is None
    path.write_bytes(data + bytes(64))
    assert broken_at(path) is None
    at = len(data) // 2
    path.write_bytes(data[:at] + bytes(len(data) // 4) + data[at + len(data) // 4 :])
    assert broken_at(path) is not None
    with VideoSource(path, threads=1) as source:
        assert len(list(source)) < 20
    assert any("do not follow each other" in line for line in source.warnings)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_image_is_read_and_that_is_told(tmp_path, kind):
    images = [Image.fromarray(noise(8, 8, seed)) for seed in range(3)]
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(encoded(images[0], kind, save_all=True, append_images=images[1:], lossless=True))
    source = ImageSource(path)
    for _ in range(2):
        (frame,) = source
        assert np.abs(frame.image.astype(int) - noise(8, 8, 0)).mean() < (40 if kind == "GIF" else 1)
        assert [line.split(",")[0] for line in source.warnings] == ["an animation of 3 frames"]
    path.write_bytes(encoded(images[0], kind))
    source = ImageSource(path)
    assert len(list(source)) == 1
    assert source.warnings == []


def test_no_room_for_a_thread_is_want_of_memory():
    """What FFmpeg says of it in a worker whose memory is bounded; not a fault of the file."""
    assert is_memory(OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)))


def test_a_codec_that_nobody_knows_is_told(whole, tmp_path):
    path = tmp_path / "a.mkv"
    path.write_bytes(whole[".mkv"].replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/AVX"))
    with pytest.raises(MaskWeaveError, match=r"a\.mkv: need a video in a known codec"):
        VideoSource(path)
