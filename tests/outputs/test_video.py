"""The written video: every image at its own time, its audio, its colors; whole or not at all."""

# ruff: noqa: PT012, SIM117 - what must fail is how a block ends, so the block stands inside

import errno
import os
from fractions import Fraction

import av
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from maskweave import spool
from maskweave.errors import InvalidValue, OutputError
from maskweave.outputs import source_tracks
from maskweave.outputs import video as video_module
from maskweave.outputs.video import Encoding, VideoWriter
from maskweave.sources.video import VideoSource  # the reader, tested on its own
from maskweave.types.frame import SourceInfo
from tests.clips import Clip, audio_packets, corners, gray_frame, quarter_names, write_clip

LIVE = SourceInfo(name="camera-0", kind="live")
FINE = Encoding(crf=4)


def copy(source_path, path, **options):
    """Read a clip and write it again, unchanged."""
    with VideoSource(source_path) as source, VideoWriter(path, source.info, **options) as writer:
        for frame in source:
            writer.write(frame.image, time=frame.time, duration=frame.duration, stamp=frame.stamp)
    return writer


def times(path):
    with VideoSource(path) as source:
        return [(frame.time, frame.duration) for frame in source]


def first_stamp(path):
    """When the images begin in the file."""
    with VideoSource(path) as source:
        return next(iter(source)).stamp


def write_ticks(path, ticks, time_base, last):
    info = SourceInfo(name="x", kind="video", time_base=time_base, rate=Fraction(25))
    with VideoWriter(path, info, encoding=Encoding(preset="ultrafast")) as writer:
        for at in ticks:
            writer.write(gray_frame(at % 255, 16, 16), time=at * time_base, duration=last * time_base)
    return writer


def test_a_copy_plays_in_browsers(tmp_path):
    copy(write_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4")
    data = (tmp_path / "b.mp4").read_bytes()
    assert -1 < data.find(b"moov") < data.find(b"mdat")  # the index comes first: play before it is loaded
    with av.open(str(tmp_path / "b.mp4")) as container:
        (stream,) = container.streams
        context = stream.codec_context
        assert (context.name, context.pix_fmt, context.profile) == ("h264", "yuv420p", "High")
        assert context.codec_tag == "avc1"
        assert (context.color_range, context.colorspace) == (1, 6)
        assert stream.frames == 12
        assert stream.duration * stream.time_base == Fraction(12, 25)
        dts = [packet.dts for packet in container.demux(stream) if packet.size]
    assert dts == sorted(set(dts))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_626_frames_of_25_per_second_last_25_04_seconds(tmp_path):
    write_ticks(tmp_path / "a.mp4", range(0, 626 * 512, 512), Fraction(1, 12800), 512)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.duration == 25_040_000
        assert container.streams.video[0].frames == 626


@hypothesis.given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=12),
    st.sampled_from([Fraction(1, 90000), Fraction(1, 1000), Fraction(1001, 30000), Fraction(1, 12800)]),
    st.integers(1, 5000),
)
@hypothesis.settings(max_examples=25)
def test_times_survive_tick_for_tick(tmp_path_factory, steps, time_base, last):
    ticks = [sum(steps[:at]) for at in range(len(steps))]
    path = tmp_path_factory.mktemp("ticks") / "a.mp4"
    write_ticks(path, ticks, time_base, last)
    read = times(path)
    assert [time for time, _ in read] == [at * time_base for at in ticks]
    assert read[-1][1] == last * time_base


def test_variable_rate_copy(tmp_path):
    ticks = (0, 3003, 6006, 7000, 20000, 20001, 50000, 90000, 90001, 99999)
    write_clip(tmp_path / "a.mp4", Clip(ticks=ticks, time_base=Fraction(1, 90000)))
    copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert times(tmp_path / "b.mp4") == times(tmp_path / "a.mp4")


def test_audio_is_copied_bit_for_bit(tmp_path):
    write_clip(tmp_path / "a.mp4", Clip(ticks=range(30), audio="aac"))
    writer = copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert writer.warnings == []
    assert audio_packets(tmp_path / "b.mp4") == audio_packets(tmp_path / "a.mp4") != []


@pytest.mark.parametrize("codec", ["libmp3lame", "flac", "ac3", "alac"])
def test_audio_that_mp4_holds_is_copied_from_other_containers(tmp_path, codec):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {codec} to make the clip with")
    write_clip(tmp_path / "a.mkv", Clip(ticks=range(30), audio=codec))
    writer = copy(tmp_path / "a.mkv", tmp_path / "b.mp4")
    before, after = audio_packets(tmp_path / "a.mkv"), audio_packets(tmp_path / "b.mp4")
    assert writer.warnings == []
    assert [data for _, data in after] == [data for _, data in before] != []
    assert [float(time) for time, _ in after] == pytest.approx([float(time) for time, _ in before], abs=0.001)


@pytest.mark.parametrize(("suffix", "codec"), [(".mov", "pcm_s16le"), (".mkv", "pcm_s16le")])
def test_other_audio_becomes_aac(tmp_path, suffix, codec):
    write_clip(tmp_path / f"a{suffix}", Clip(ticks=range(50), audio=codec))
    writer = copy(tmp_path / f"a{suffix}", tmp_path / "b.mp4")
    assert writer.warnings == [f"the audio was {codec}, which MP4 does not hold; turned into AAC"]
    with av.open(str(tmp_path / "b.mp4")) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == "aac"
        frames = list(container.decode(stream))
    heard = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    assert len(heard) / 44100 == pytest.approx(2.0, abs=0.05)
    crossings = np.count_nonzero(np.diff(np.signbit(heard[4410:83790])))
    assert crossings / (79380 / 44100) / 2 == pytest.approx(440, abs=2)
    assert abs(float(frames[0].time)) < 0.03


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize("late", [0, 2])
def test_audio_and_image_stay_together(tmp_path, suffix, late):
    """The image begins 0.4 s after the audio; with ``late``, neither begins at 0."""
    ticks = range(25 * late + 10, 25 * late + 40)
    clip = Clip(ticks=ticks, audio="aac", seconds=1.6, audio_start=Fraction(late))
    path = write_clip(tmp_path / f"a{suffix}", clip)
    writer = copy(path, tmp_path / "b.mp4")
    before, after = (first_stamp(each) - audio_packets(each)[0][0] for each in (path, tmp_path / "b.mp4"))
    assert float(after - before) == pytest.approx(0, abs=0.002)
    assert times(tmp_path / "b.mp4") == times(path)
    assert writer.warnings == []
    packets = [bytes_ for _, bytes_ in audio_packets(tmp_path / "b.mp4")]
    if suffix != ".ts":  # there each packet has a header of its own, which MP4 keeps elsewhere
        assert packets == [bytes_ for _, bytes_ in audio_packets(path)]
    assert len(packets) == len(audio_packets(path))


def test_audio_ends_with_a_part_of_the_images(tmp_path):
    write_clip(tmp_path / "a.mp4", Clip(ticks=range(100), audio="aac"))
    with VideoSource(tmp_path / "a.mp4") as source, VideoWriter(tmp_path / "b.mp4", source.info) as writer:
        for frame in source:
            if frame.index < 25:
                writer.write(frame.image, time=frame.time, duration=frame.duration, stamp=frame.stamp)
    assert float(audio_packets(tmp_path / "b.mp4")[-1][0]) == pytest.approx(1.0, abs=0.03)


def test_audio_is_not_read_ahead(tmp_path, monkeypatch):
    write_clip(tmp_path / "a.mp4", Clip(ticks=range(100), audio="aac"))
    ahead = []
    write = source_tracks._CopiedAudio.write

    def watched(self, packet, stamp):
        ahead.append(float(stamp) - written[-1])
        write(self, packet, stamp)

    written = [0.0]
    monkeypatch.setattr(source_tracks._CopiedAudio, "write", watched)
    with VideoSource(tmp_path / "a.mp4") as source, VideoWriter(tmp_path / "b.mp4", source.info) as writer:
        for frame in source:
            written.append(float(frame.time))
            writer.write(frame.image, time=frame.time, duration=frame.duration, stamp=frame.stamp)
    assert max(ahead) < 0.5


def test_source_that_is_gone_costs_the_audio_only(tmp_path):
    info = SourceInfo(name="x", kind="video", path=tmp_path / "gone.mp4", is_container=True, has_audio=True)
    with VideoWriter(tmp_path / "b.mp4", info) as writer:
        writer.write(gray_frame(9), time=Fraction(0))
    assert "no audio" in writer.warnings[0]


def test_rotated_source_comes_out_upright(tmp_path):
    clip = Clip(ticks=range(3), images=[corners()] * 3, rotation=90)
    copy(write_clip(tmp_path / "a.mp4", clip), tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (frame.height, frame.width) == (64, 48)
    assert quarter_names(frame.to_ndarray(format="rgb24")) == "GW/RB"


@pytest.mark.parametrize(("height", "width"), [(47, 63), (1, 1), (15, 16), (16, 17)])
def test_odd_sizes_grow_by_one_repeated_line(tmp_path, height, width):
    with VideoWriter(tmp_path / "a.mp4", LIVE, encoding=FINE) as writer:
        writer.write(gray_frame(200, height, width), time=Fraction(0))
    with VideoSource(tmp_path / "a.mp4") as source:
        (frame,) = source
    assert frame.size == (height + height % 2, width + width % 2)
    assert np.abs(frame.image.astype(int) - 200).max() <= 2


@pytest.mark.parametrize(("height", "width"), [(64, 512), (720, 1280)])
def test_a_gray_ramp_survives(tmp_path, height, width):
    ramp = np.repeat((np.arange(width) * 256 // width).astype(np.uint8)[None, :, None], 3, axis=2)
    ramp = np.repeat(ramp, height, axis=0)
    with VideoWriter(tmp_path / "a.mp4", LIVE, encoding=FINE) as writer:
        writer.write(ramp, time=Fraction(0))
    with VideoSource(tmp_path / "a.mp4") as source:
        (frame,) = source
    assert np.abs(frame.image.astype(int) - ramp).max() <= 2
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.colorspace == (1 if height == 720 else 6)


@pytest.mark.parametrize("size", [(64, 64), (720, 1280)])
def test_colors_survive(tmp_path, size):
    colors = np.array([(200, 50, 30), (30, 180, 60), (20, 40, 220), (250, 220, 10)], np.uint8)
    image = np.repeat(np.repeat(colors.reshape(2, 2, 3), size[0] // 2, 0), size[1] // 2, 1)
    with VideoWriter(tmp_path / "a.mp4", LIVE, encoding=FINE) as writer:
        writer.write(image, time=Fraction(0))
    with VideoSource(tmp_path / "a.mp4") as source:
        (frame,) = source
    middle = frame.image[size[0] // 4 :: size[0] // 2, size[1] // 4 :: size[1] // 2]
    assert np.abs(middle.astype(int) - colors.reshape(2, 2, 3)).max() <= 4


def test_live_source_without_rate(tmp_path):
    moments = [Fraction(7, 10), Fraction(73, 100), Fraction(99, 100), Fraction(2)]
    with VideoWriter(tmp_path / "a.mp4", LIVE) as writer:
        for moment in moments:
            writer.write(gray_frame(50), time=moment)
    assert [time for time, _ in times(tmp_path / "a.mp4")] == [moment - moments[0] for moment in moments]


def test_a_live_recording_waits_on_the_disk_and_becomes_the_same_file(tmp_path, monkeypatch):
    """FFmpeg keeps an MP4's index in memory, which is too much for a camera that runs for days."""
    monkeypatch.setattr(spool, "_IN_MEMORY", 1000)
    noise = np.random.default_rng(0).integers(0, 255, (300, 64, 64, 3), dtype=np.uint8)
    packets = []
    for kind in ("live", "video"):
        path = tmp_path / f"{kind}.mp4"
        info = SourceInfo("a", kind, rate=Fraction(25), time_base=Fraction(1, 90_000))
        with VideoWriter(path, info) as writer:
            for index, image in enumerate(noise):
                writer.write(image, time=Fraction(index * index, 90_000))
            written = writer._file.part.stat().st_size
            assert (written == 0) == (kind == "live")
        with av.open(str(path)) as container:
            read = [packet for packet in container.demux(video=0) if packet.size]
            packets.append(
                [(each.pts, each.dts, each.duration, each.is_keyframe, bytes(each)) for each in read]
            )
    assert packets[0] == packets[1]
    assert len(packets[0]) == 300
    assert sum(key for *_, key, _ in packets[0]) > 1
    assert {path.name for path in tmp_path.iterdir()} == {"live.mp4", "video.mp4"}


def test_a_late_begin_becomes_0(tmp_path):
    write_clip(tmp_path / "a.mp4", Clip(ticks=range(100, 110)))
    with VideoSource(tmp_path / "a.mp4") as source:
        assert source.info.start == 4
    assert copy(tmp_path / "a.mp4", tmp_path / "b.mp4").warnings == []
    assert first_stamp(tmp_path / "b.mp4") == 0


def test_full_range_colors_come_out_the_same(tmp_path):
    """The reader turns full range into RGB, the writer writes limited range: the look is kept, not the coding."""
    path = write_clip(tmp_path / "a.mkv", Clip(images=[corners()] * 2, ticks=range(2), pix_fmt="yuvj420p"))
    copy(path, tmp_path / "b.mp4", encoding=FINE)
    with VideoSource(path) as before, VideoSource(tmp_path / "b.mp4") as after:
        first, second = next(iter(before)).image, next(iter(after)).image
    assert np.abs(first.astype(int) - second)[4:20, 4:28].max() <= 4
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].codec_context.color_range == 1


def test_times_that_do_not_rise_are_nudged(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", LIVE) as writer:
        for moment in (0, 1, 1, Fraction(1, 2), 2):
            writer.write(gray_frame(50), time=Fraction(moment))
    tick = Fraction(1, 90000)
    assert [time for time, _ in times(tmp_path / "a.mp4")] == [0, 1, 1 + tick, 1 + 2 * tick, 2]
    assert len(writer.warnings) == 1


def test_no_images_no_file(tmp_path):
    with pytest.raises(OutputError, match="at least one image"), VideoWriter(tmp_path / "a.mp4", LIVE):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("frames", [0, 3])
def test_a_failed_run_leaves_the_older_file(tmp_path, error, frames):
    (tmp_path / "a.mp4").write_bytes(b"old")
    with pytest.raises(error), VideoWriter(tmp_path / "a.mp4", LIVE) as writer:
        for at in range(frames):
            writer.write(gray_frame(50), time=Fraction(at, 25))
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


def test_interrupt_inside_the_encoder(tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "a.mp4", LIVE) as writer:
        writer.write(gray_frame(50), time=Fraction(0))
        monkeypatch.setattr(video_module, "_yuv", interrupted)
        writer.write(gray_frame(50), time=Fraction(1))
    assert list(tmp_path.iterdir()) == []


def test_disk_full(tmp_path, monkeypatch):
    def full(self, packets):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputError, match=r"a\.mp4: cannot be written \(No space left"):
        with VideoWriter(tmp_path / "a.mp4", LIVE) as writer:
            monkeypatch.setattr(VideoWriter, "_mux", full)
            writer.write(gray_frame(50), time=Fraction(0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")  # noqa: PTH110
def test_a_really_full_disk(tmp_path):
    with pytest.raises(OutputError, match="No space left"):
        with VideoWriter(tmp_path / "a.mp4", LIVE) as writer:
            writer._file.part.unlink()
            writer._file.part.symlink_to("/dev/full")
            for at in range(50):
                noise = np.random.default_rng(at).integers(0, 255, (64, 64, 3), dtype=np.uint8)
                writer.write(noise, time=Fraction(at, 25))
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_told_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose a folder"):
        VideoWriter(tmp_path / "file" / "a.mp4", LIVE)


def test_wrong_images(tmp_path):
    with pytest.raises(InvalidValue, match=r"need 64 x 48 pixels .* got 32 x 16"):
        with VideoWriter(tmp_path / "a.mp4", LIVE) as writer:
            writer.write(gray_frame(50), time=Fraction(0))
            writer.write(gray_frame(50, 16, 32), time=Fraction(1))
    with pytest.raises(InvalidValue, match="uint8"):
        with VideoWriter(tmp_path / "a.mp4", LIVE) as writer:
            writer.write(np.zeros((4, 4, 3)), time=Fraction(0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("crf", [-1, 52])
def test_wrong_encoding(crf):
    with pytest.raises(InvalidValue, match=r"crf: need 0\.\.51"):
        Encoding(crf=crf)


def test_unknown_preset(tmp_path):
    with pytest.raises(OutputError, match="encoder failed"):
        with VideoWriter(tmp_path / "a.mp4", LIVE, encoding=Encoding(preset="warp")) as writer:
            writer.write(gray_frame(50), time=Fraction(0))
    assert list(tmp_path.iterdir()) == []


def test_finished_means_finished(tmp_path):
    writer = VideoWriter(tmp_path / "a.mp4", LIVE)
    writer.write(gray_frame(50), time=Fraction(0))
    writer.close()
    writer.close()
    with pytest.raises(OutputError, match="finished"):
        writer.write(gray_frame(50), time=Fraction(1))
    assert len(times(tmp_path / "a.mp4")) == 1


@pytest.mark.shared
def test_the_street_again(shared_data, tmp_path):
    street = shared_data / "media" / "test.mp4"
    copy(street, tmp_path / "b.mp4", encoding=Encoding(preset="ultrafast"))
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.duration == 25_040_000
        assert container.streams.video[0].frames == 626
    assert audio_packets(tmp_path / "b.mp4") == audio_packets(street)
