"""Videos: every frame, its own time, upright, in its colors; and what is damaged is told."""

import os
import struct
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from maskweave.errors import ImageTooLarge, SourceNotFound, UnreadableVideo
from maskweave.sources.decoding import Damage, decoded
from maskweave.sources.video import VideoSource
from tests.clips import Clip, corners, quarter_names, write_clip, write_tone

VFR = (0, 3003, 6006, 7000, 20000, 20001, 50000, 90000, 90001, 99999)


def read(path, **options):
    with VideoSource(path, **options) as source:
        frames = list(source)
    return frames, source


def test_info_and_frames(tmp_path):
    frames, source = read(write_clip(tmp_path / "a.mp4"))
    assert source.info.name == "a"
    assert source.info.kind == "video"
    assert source.info.rate == 25
    assert source.info.frame_count == len(frames) == 12
    assert source.info.duration == pytest.approx(0.48)
    assert not source.info.has_audio
    assert source.warnings == []
    assert [frame.index for frame in frames] == list(range(12))
    assert [int(frame.image.mean().round()) for frame in frames] == pytest.approx(
        [20 + 7 * i for i in range(12)], abs=2
    )
    assert {frame.duration for frame in frames} == {Fraction(1, 25)}


def test_iterating_again_starts_again(tmp_path):
    with VideoSource(write_clip(tmp_path / "a.mp4")) as source:
        assert next(iter(source)).time == 0
        assert len(list(source)) == len(list(source)) == 12


@pytest.mark.parametrize("threads", [1, 3])
def test_variable_rate_times_are_exact(tmp_path, threads):
    time_base = Fraction(1, 90000)
    frames, _ = read(write_clip(tmp_path / "v.mp4", Clip(ticks=VFR, time_base=time_base)), threads=threads)
    times = [frame.time for frame in frames]
    assert times == [ticks * time_base for ticks in VFR]
    assert [frame.duration for frame in frames[:-1]] == [b - a for a, b in pairwise(times)]
    assert frames[-1].duration > 0


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".mov"])
def test_a_late_begin_is_taken_off_every_time_and_named(tmp_path, suffix):
    ticks = [50 + i for i in range(10)]
    frames, source = read(write_clip(tmp_path / f"o{suffix}", Clip(ticks=ticks)))
    assert [frame.time for frame in frames] == [Fraction(n, 25) for n in range(10)]
    assert source.info.start == frames[0].stamp
    assert source.info.start == 2 or suffix == ".ts"
    assert source.warnings == []


@pytest.mark.parametrize(("rotation", "looks"), [(0, "RG/BW"), (90, "GW/RB"), (180, "WB/GR"), (270, "BR/WG")])
def test_rotation_is_applied(tmp_path, rotation, looks):
    clip = Clip(ticks=range(3), images=[corners()] * 3, rotation=rotation)
    frames, _ = read(write_clip(tmp_path / "r.mp4", clip))
    assert frames[0].size == ((64, 48) if rotation in (90, 270) else (48, 64))
    assert quarter_names(frames[0].image) == looks  # FFmpeg's rotation is counter-clockwise


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("color_range", [1, 2])
def test_matrix_and_range_are_the_streams(tmp_path, matrix, color_range):
    path = tmp_path / "c.mp4"
    names = {1: "ITU709", 6: "ITU601"}
    rgb = np.full((32, 32, 3), (200, 50, 30), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, color_range
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=names[matrix], dst_color_range=color_range
        )
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames, _ = read(path)
    assert np.abs(frames[0].image.astype(int) - rgb).max() <= 3


def test_cut_in_half_is_told(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (60, 48, 64, 3), dtype=np.uint8)
    clip = Clip(ticks=range(60), images=noise, options={"crf": "20", "movflags": "+faststart", "g": "10"})
    with av.open(str(tmp_path / "w.mp4"), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=25, options=clip.options)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for image in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    data = (tmp_path / "w.mp4").read_bytes()
    (tmp_path / "h.mp4").write_bytes(data[: len(data) // 2])
    frames, source = read(tmp_path / "h.mp4")
    assert 10 < len(frames) < 50
    assert any(f"{len(frames)} of 60 frames decoded" in warning for warning in source.warnings)


def test_cut_matroska_is_told(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (75, 48, 64, 3), dtype=np.uint8)
    path = write_clip(tmp_path / "w.mkv", Clip(ticks=range(75), images=noise))
    (tmp_path / "h.mkv").write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    frames, source = read(tmp_path / "h.mkv")
    assert 5 < len(frames) < 60
    assert any("seconds decoded" in warning for warning in source.warnings)


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        (".mpg", "mpeg2video", "yuv420p"),
        (".asf", "mpeg4", "yuv420p"),
        (".ogv", "libvpx", "yuv420p"),
        (".nut", "ffv1", "yuv420p"),
        (".y4m", "wrapped_avframe", "yuv420p"),
        (".mjpeg", "mjpeg", "yuvj420p"),
    ],
)
@pytest.mark.parametrize("share", [0.3, 0.62, 0.9])
def test_a_file_is_as_long_as_its_last_part_or_its_head_says(tmp_path, suffix, codec, pix_fmt, share):
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8)
    clip = Clip(range(30), images=noise, codec=codec, pix_fmt=pix_fmt, options={})
    path = write_clip(tmp_path / f"a{suffix}", clip)
    frames, source = read(path)
    assert (len(frames), source.is_incomplete) == (30, False)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    frames, source = read(path)
    assert len(frames) < 30
    assert source.is_incomplete
    assert any("cut short" in line for line in source.warnings)


def test_a_dv_that_ends_within_a_frame_is_told(tmp_path):
    clip = Clip(range(4), size=(576, 720), codec="dvvideo", options={})
    path = write_clip(tmp_path / "a.dv", clip)
    assert not read(path)[1].is_incomplete
    path.write_bytes(path.read_bytes()[:-1000])
    _, source = read(path)
    assert source.is_incomplete
    assert "the file ends within a frame: it is cut short" in source.warnings


def test_an_ogg_that_is_cut_between_two_pages_is_told(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8)
    path = write_clip(
        tmp_path / "a.ogv", Clip(range(30), images=noise, codec="libvpx", audio="flac", options={})
    )
    assert not read(path)[1].is_incomplete
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b"OggS")])
    _, source = read(path)
    assert source.is_incomplete
    assert any("without the last page of a track" in line for line in source.warnings)


def test_frames_lost_in_the_middle_of_a_bare_stream_are_counted(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8)
    options = {"g": "10", "bf": "0", "sc_threshold": "0"}
    path = write_clip(tmp_path / "a.h264", Clip(range(40), images=noise, options=options))
    data = path.read_bytes()
    units = [at for at in range(len(data) - 3) if data[at : at + 3] == b"\0\0\1" and data[at + 3] & 31 == 5]
    path.write_bytes(data[: units[2] + 4] + b"\xff" * 30 + data[units[2] + 34 :])  # a key frame's head
    frames, source = read(path)
    lost = 40 - len(frames)
    assert lost > 1
    assert any(
        f"{lost} frames missing" in line or f"{lost - 1} frames missing" in line for line in source.warnings
    )


def test_a_piece_of_a_stream_asks_for_its_head(tmp_path):
    path = tmp_path / "1.m4s"
    path.write_bytes(b"\0\0\0\x10styp" + b"msdh\0\0\0\0" + b"\0\0\0\x08moof" + bytes(100))
    with pytest.raises(UnreadableVideo, match=r"a piece of a stream \(HLS, DASH\) without its head"):
        VideoSource(path)


@pytest.mark.parametrize("suffix", [".flv", ".ts"])
def test_a_stream_that_ends_within_a_packet_is_told(tmp_path, suffix):
    path = write_clip(tmp_path / f"w{suffix}", Clip(ticks=range(30)))
    assert not read(path)[1].is_incomplete
    path.write_bytes(path.read_bytes()[:-100])
    _, source = read(path)
    assert source.is_incomplete
    assert any("bytes too early: it is cut short" in warning for warning in source.warnings)


def test_damaged_bytes_do_not_stop_the_stream(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8)
    path = write_clip(
        tmp_path / "d.mp4", Clip(ticks=range(40), images=noise, options={"crf": "20", "g": "8"})
    )
    data = bytearray(path.read_bytes())
    middle = data.find(b"mdat") + (len(data) - 4000) // 2
    data[middle : middle + 3000] = bytes(3000)
    path.write_bytes(bytes(data))
    frames, source = read(path)
    assert len(frames) >= 30
    assert source.warnings
    assert [frame.time for frame in frames] == sorted({frame.time for frame in frames})
    assert frames[-1].time == Fraction(39, 25)


def test_damaged_stream_of_frames(tmp_path):
    path = write_clip(
        tmp_path / "m.mkv", Clip(ticks=range(20), codec="mjpeg", pix_fmt="yuvj420p", options={})
    )
    data = bytearray(path.read_bytes())
    at = -1
    for _ in range(8):
        at = data.find(b"\xff\xd8\xff", at + 1)
    end = data.find(b"\xff\xd9", at)  # of the image; behind it is the head of the next one
    data[at:end] = bytes(end - at)
    path.write_bytes(bytes(data))
    frames, source = read(path)
    assert len(frames) == 19
    assert "1 damaged packet skipped" in source.warnings


@pytest.mark.parametrize("way", ["zeroed", "taken out"])
def test_a_transport_stream_says_of_every_frame_that_is_missing(tmp_path, way):
    noise = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3), dtype=np.uint8)
    path = write_clip(tmp_path / "a.ts", Clip(ticks=range(30), images=noise, options={"g": "10"}))
    data = path.read_bytes()
    assert read(path)[1].warnings == []
    lengths = set()
    for at in range(len(data) // 4, len(data) * 3 // 4, len(data) // 20):
        path.write_bytes(data[:at] + (bytes(4000) if way == "zeroed" else b"") + data[at + 4000 :])
        frames, source = read(path, threads=1)
        lengths.add(len(frames))
        assert source.warnings or len(frames) == 30, at
    assert len(lengths) > 1


def test_streams_that_damage_makes_up_are_no_error_at_the_end():
    """PyAV looks for them in a list that it made before they were there."""

    class Container:
        def demux(self, stream):
            yield from ()
            raise IndexError("list index out of range")

    damage = Damage()
    assert list(decoded(Container(), None, damage)) == []
    assert damage == Damage()


def test_an_empty_packet_in_the_middle_is_no_end_and_no_damage(tmp_path):
    """Theora and AVI write one where the frame before stays; a decoder takes it for the end."""
    path = write_clip(tmp_path / "a.mkv", Clip(ticks=range(10), codec="mpeg4", options={}))

    class Pausing:
        def __init__(self, container):
            self._container = container

        def demux(self, stream):
            for number, packet in enumerate(self._container.demux(stream)):
                yield packet
                if number == 4:
                    empty = av.Packet()
                    empty.dts, empty.stream = 5, stream
                    yield empty

    damage = Damage()
    with av.open(str(path)) as container:
        assert len(list(decoded(Pausing(container), container.streams.video[0], damage))) == 10
    assert damage == Damage()


@pytest.mark.parametrize("suffix", [".mkv", ".h264"])
def test_frames_before_the_first_key_frame_are_counted_and_no_damage(tmp_path, suffix):
    moving = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8)
    options = (
        {"g": "10", "bf": "3", "x264-params": "open-gop=1"}
        if suffix == ".mkv"
        else {"g": "10", "bf": "0", "sc_threshold": "0"}
    )
    path = write_clip(tmp_path / f"whole{suffix}", Clip(ticks=range(40), images=moving, options=options))
    cut = tmp_path / f"cut{suffix}"
    if suffix == ".h264":
        data = path.read_bytes()
        units = [
            at for at in range(len(data) - 3) if data[at : at + 3] == b"\0\0\1" and data[at + 3] & 31 == 1
        ]
        cut.write_bytes(data[units[4] - 1 :])
    else:
        _cut_between_key_frames(path, cut, first=5)
    frames, source = read(cut)
    assert 20 < len(frames) <= 35
    assert not source.is_incomplete
    told = [line for line in source.warnings if "timestamp" not in line]
    begin = f"its first {35 - len(frames)} frames build on others that it lacks, and cannot be shown"
    assert told == [f"it begins between two key frames: {begin}"]


def _cut_between_key_frames(path, cut, *, first):
    with av.open(str(path)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.dts is not None and number >= first:
                packet.stream = stream
                target.mux(packet)


@pytest.mark.parametrize(("begin", "shown"), [(0, 10), (7, 10), (30, 20)])
def test_a_video_that_was_trimmed_by_an_edit_list_alone_is_whole(tmp_path, begin, shown):
    path = write_clip(tmp_path / "a.mp4", Clip(ticks=range(50), options={"g": "10", "bf": "0"}))
    path.write_bytes(edited(path.read_bytes(), begin=begin, length=shown))
    frames, source = read(path)
    assert (len(frames), source.info.frame_count) == (shown, shown)
    assert frames[-1].time + frames[-1].duration == Fraction(shown, 25)
    assert (source.warnings, source.is_incomplete) == ([], False)


def test_a_trimmed_video_that_is_cut_is_told(tmp_path):
    options = {"movflags": "faststart"}
    noise = np.random.default_rng(0).integers(0, 255, (50, 48, 64, 3), dtype=np.uint8)
    clip = Clip(range(50), images=noise, options={"g": "10", "bf": "0"}, container_options=options)
    path = write_clip(tmp_path / "a.mp4", clip)
    data = edited(path.read_bytes(), begin=7, length=40)
    path.write_bytes(data[: len(data) // 2])
    frames, source = read(path)
    assert source.is_incomplete
    assert any(f"{len(frames)} of 40 frames decoded" in line for line in source.warnings)


def edited(data, *, begin, length):
    """An MP4 of 25 frames a second that shows ``length`` of its frames from ``begin`` on."""
    scale_at = data.index(b"mdhd") + 16
    ticks_a_second = int.from_bytes(data[scale_at : scale_at + 4])
    at = data.index(b"elst") + 12
    entry = struct.pack(">Ii", length * 40, begin * ticks_a_second // 25)
    return data[:at] + entry + data[at + len(entry) :]


def test_no_index(tmp_path):
    path = write_clip(tmp_path / "n.mp4")  # the index is at the end
    path.write_bytes(path.read_bytes()[:800])
    with pytest.raises(UnreadableVideo, match=r"n\.mp4: need a video, got a file without a readable header"):
        VideoSource(path)


def test_audio_only(tmp_path):
    with pytest.raises(UnreadableVideo, match="need a video stream, got only audio"):
        VideoSource(write_tone(tmp_path / "s.mp4"))


def test_missing_empty_text_image(tmp_path):
    with pytest.raises(SourceNotFound, match="no such file"):
        VideoSource(tmp_path / "gone.mp4")
    (tmp_path / "e.mp4").touch()
    with pytest.raises(UnreadableVideo, match="empty file"):
        VideoSource(tmp_path / "e.mp4")
    (tmp_path / "t.mp4").write_text("no video at all\n" * 100)
    with pytest.raises(UnreadableVideo, match="need a video"):
        VideoSource(tmp_path / "t.mp4")
    (tmp_path / "p.mp4").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(UnreadableVideo, match="got an image"):
        VideoSource(tmp_path / "p.mp4")
    with pytest.raises(UnreadableVideo, match="need a readable file"):
        VideoSource(tmp_path)


def test_a_pipe_is_no_video_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(UnreadableVideo, match=r"pipe\.mp4: need a video file, got a pipe or a device"):
        VideoSource(tmp_path / "pipe.mp4")


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile a.ts\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ],
    ids=["hls", "concat", "sdp"],
)
@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.ffconcat"])
def test_lists_of_other_files_are_not_followed_whatever_they_are_called(tmp_path, text, name):
    other = write_clip(tmp_path / "a.ts")
    os.utime(other, (0, other.stat().st_mtime))
    (tmp_path / name).write_text(text)
    with pytest.raises(UnreadableVideo, match=r"list of other files|no video"):
        VideoSource(tmp_path / name)
    assert other.stat().st_atime == 0  # it was not even opened


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".flv", ".3gp"])
def test_every_common_container_is_let_in(tmp_path, suffix):
    codec = {".webm": "libvpx", ".avi": "mpeg4", ".mpg": "mpeg2video"}.get(suffix, "libx264")
    clip = write_clip(tmp_path / f"a{suffix}", Clip(codec=codec, options={}))
    frames, _ = read(clip)
    assert len(frames) == 12


def test_budget_before_decoding(tmp_path):
    with pytest.raises(ImageTooLarge, match=r"64 x 48 .*--max-pixels"):
        VideoSource(write_clip(tmp_path / "a.mp4"), max_pixels=3071)


@pytest.mark.parametrize("size", [(16, 16), (33, 47)])
def test_small_odd_and_single(tmp_path, size):
    clip = Clip(ticks=[0], size=size, pix_fmt="yuv444p")
    frames, source = read(write_clip(tmp_path / "a.mkv", clip))
    assert [frame.size for frame in frames] == [size]
    assert source.warnings == []


def test_stream_without_times(tmp_path):
    path = write_clip(tmp_path / "raw.h264", Clip(ticks=range(10)))
    frames, source = read(path)
    assert len(frames) == 10
    steps = {b.time - a.time for a, b in pairwise(frames)}
    assert steps == {Fraction(1, 25)}
    assert source.warnings == ["no frame has a timestamp: shown at 25 frames a second"]


def test_frames_are_let_go_without_the_garbage_collector(tmp_path, monkeypatch):
    """PyAV's side data ties frames into cycles: asked of every frame, memory grows by hundreds of MB."""
    from maskweave.sources import video_pixels

    asked = []
    original = video_pixels.orientation_matrix
    monkeypatch.setattr(video_pixels, "orientation_matrix", lambda frame: asked.append(1) or original(frame))
    frames, _ = read(write_clip(tmp_path / "a.mp4", Clip(images=[corners()] * 12, rotation=90)))
    assert {quarter_names(frame.image) for frame in frames} == {"GW/RB"}
    assert len(asked) == 1


@pytest.mark.shared
def test_the_street(shared_data):
    frames = 0
    with VideoSource(shared_data / "media" / "test.mp4") as source:
        for frame in source:
            frames += 1
            assert frame.time == Fraction(frame.index, 25)
    assert (frames, frame.size, source.warnings) == (626, (480, 854), [])
    assert frame.time + frame.duration == Fraction(2504, 100)
