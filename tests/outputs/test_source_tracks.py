"""What a written video takes over besides the images: audio in step, languages, subtitles, chapters, title."""

import os
import signal
import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from maskweave.outputs import audio_transcoding
from maskweave.outputs.subtitle_text import mov_text, subtitle_text
from maskweave.outputs.video import VideoWriter
from maskweave.sources.video import VideoSource
from tests.clips import Clip, audio_packets, gray_frame, write_clip


def copy(source_path, path):
    with VideoSource(source_path) as source, VideoWriter(path, source.info) as writer:
        for frame in source:
            writer.write(frame.image, time=frame.time, duration=frame.duration, stamp=frame.stamp)
    return writer, source


def lengths(path):
    """Seconds of (images, audio)."""
    with av.open(str(path)) as container:
        return tuple(
            float(stream.duration * stream.time_base) for stream in container.streams if stream.duration
        )


def flash_and_beep(path, codec="aac", at=(10, 30), ticks=50):
    """A clip that is white for a frame, and loud meanwhile, at some of its frames."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"bf": "0", "g": "10"})
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        audio = container.add_stream(codec, rate=48000, layout="mono")
        loud = np.zeros(ticks * 1920)
        for tick in at:
            loud[tick * 1920 : (tick + 1) * 1920] = 0.5
        tone = (loud * np.sin(np.arange(len(loud)) * 0.2)).astype(np.float32)
        for tick in range(ticks):
            frame = av.VideoFrame.from_ndarray(gray_frame(255 if tick in at else 20), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 25)
            container.mux(video.encode(frame))
            piece = tone[None, tick * 1920 : (tick + 1) * 1920]
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = 48000, tick * 1920, Fraction(1, 48000)
            container.mux(audio.encode(block))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def flashes_and_beeps(path):
    """Seconds at which it becomes white, and loud."""
    with av.open(str(path)) as container:
        white = [
            float(frame.time) for frame in container.decode(video=0) if frame.to_ndarray("rgb24").mean() > 130
        ]
        container.seek(0)
        rate, times, level = 0, [], []
        for frame in container.decode(audio=0):
            rate = frame.sample_rate
            values = np.abs(frame.to_ndarray().astype(float).reshape(-1))
            times.append(float(frame.time) + np.arange(len(values)) / rate)
            level.append(values / max(1e-9, 1 if values.max() <= 1 else 32768))
    time, loud = np.concatenate(times), np.concatenate(level) > 0.1
    starts = time[loud][np.diff(time[loud], prepend=-1) > 0.1]
    return white, starts.tolist()


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "aac"), (".ts", "aac"), (".mkv", "pcm_s16le"), (".mov", "pcm_s24le"), (".avi", "pcm_s16le")],
)
def test_flash_and_beep_stay_together(tmp_path, suffix, codec):
    copy(flash_and_beep(tmp_path / f"a{suffix}", codec), tmp_path / "b.mp4")
    white, loud = flashes_and_beeps(tmp_path / "b.mp4")
    assert white == pytest.approx([0.4, 1.2], abs=0.05)
    assert loud == pytest.approx(white, abs=0.04)


@pytest.mark.parametrize("parts", [2, 5])
def test_joined_transport_streams_stay_in_step(tmp_path, parts):
    part = flash_and_beep(tmp_path / "part.ts")
    (tmp_path / "a.ts").write_bytes(part.read_bytes() * parts)
    _, source = copy(tmp_path / "a.ts", tmp_path / "b.mp4")
    white, loud = flashes_and_beeps(tmp_path / "b.mp4")
    assert white == pytest.approx([2 * part + each for part in range(parts) for each in (0.4, 1.2)], abs=0.1)
    assert loud == pytest.approx(white, abs=0.04)
    assert lengths(tmp_path / "b.mp4") == pytest.approx([2 * parts] * 2, abs=0.15)
    assert sum("clock jumps" in warning for warning in source.warnings) == 1


def moved_audio(data, nth, ticks, pid):
    """A transport stream with another time, in ticks of 1/90000 s, in the nth unit of ``pid``."""
    data, seen = bytearray(data), -1
    for at in range(0, len(data), 188):
        if (data[at + 1] & 31) << 8 | data[at + 2] != pid or not data[at + 1] & 0x40:
            continue
        place = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0) + 9
        seen += 1
        if seen == nth:
            old = data[place : place + 5]
            time = (old[0] >> 1 & 7) << 30 | old[1] << 22 | old[2] >> 1 << 15 | old[3] << 7 | old[4] >> 1
            time = (time + ticks) % 2**33
            data[place : place + 5] = struct.pack(
                "5B",
                *(old[0] & 0xF0 | time >> 30 << 1 | 1, time >> 22 & 255, time >> 14 & 254 | 1),
                *(time >> 7 & 255, time << 1 & 255 | 1),
            )
    return bytes(data)


@pytest.mark.parametrize(
    "ticks", [-9_000, -90_000, 54_000_000], ids=["repeated", "backwards", "10 minutes on"]
)
def test_one_wrong_time_of_the_audio_costs_that_piece_alone(tmp_path, ticks):
    whole = flash_and_beep(tmp_path / "a.ts").read_bytes()
    (tmp_path / "a.ts").write_bytes(moved_audio(whole, 2, ticks, 0x101))
    assert (tmp_path / "a.ts").read_bytes() != whole
    copy(tmp_path / "a.ts", tmp_path / "b.mp4")
    assert lengths(tmp_path / "b.mp4") == pytest.approx([2, 2], abs=0.15)


@pytest.mark.parametrize("channels", ["3.0", "5.0", "5.1", "6.1", "7.1", "7.1(wide)"])
@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_any_number_of_channels_becomes_audio_that_plays(tmp_path, channels, suffix):
    """In MOV the layout of seven or eight channels is of the kind that PyAV frees twice."""
    with av.open(str(tmp_path / f"a{suffix}"), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=48000, layout=channels)
        count = av.AudioLayout(channels).nb_channels
        block = av.AudioFrame.from_ndarray(
            np.zeros((1, 24000 * count), np.int16), format="s16", layout=channels
        )
        block.sample_rate, block.pts, block.time_base = 48000, 0, Fraction(1, 48000)
        for tick in range(12):
            frame = av.VideoFrame.from_ndarray(gray_frame(20), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(audio.encode(block))
        container.mux(video.encode(None))
    writer, _ = copy(tmp_path / f"a{suffix}", tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        mixed = sum(frame.samples for frame in container.decode(audio=0))
        assert container.streams.audio[0].codec_context.name == "aac"
    assert mixed == pytest.approx(24000, abs=2048)
    assert writer.warnings == ["the audio was pcm_s16le, which MP4 does not hold; turned into AAC"]


def test_a_decoder_that_ends_its_process_costs_the_audio_only(tmp_path, monkeypatch):
    path = flash_and_beep(tmp_path / "a.mkv", "pcm_s16le")
    monkeypatch.setattr(audio_transcoding, "make_transcoder", make_crash)
    writer, _ = copy(path, tmp_path / "b.mp4")
    assert lengths(tmp_path / "b.mp4")[0] == pytest.approx(2)
    assert any("was left out: it cannot be decoded (the process" in warning for warning in writer.warnings)


def raises_type_error(path, index):
    raise TypeError("'NoneType' and 'int'")


def test_whatever_a_decoder_raises_costs_the_audio_only(tmp_path, monkeypatch):
    source = write_clip(tmp_path / "a.mkv", Clip(ticks=range(12), audio="pcm_s16le"))
    monkeypatch.setattr(audio_transcoding, "make_transcoder", raises_type_error)
    writer, _ = copy(source, tmp_path / "out.mp4")
    assert audio_packets(tmp_path / "out.mp4") == []
    assert any("cannot be decoded" in line for line in writer.warnings)


def make_crash(path, index):
    """A transcoder as `audio_transcoding.make_transcoder` makes it, of a file that damages the process."""
    return crash


def crash(argument, beat):
    os.kill(os.getpid(), signal.SIGABRT)


def everything(path):
    """A video with two languages, subtitles, chapters and a title."""
    clip = write_clip(path.with_name("clip.mkv"), Clip(ticks=range(50), audio="aac"))
    with av.open(str(clip)) as source, av.open(str(path), "w") as output:
        output.metadata.update({"title": "My clip", "creation_time": "2020-01-02T03:04:05.000000Z"})
        output.metadata["location"] = "+48.1/"
        video = output.add_stream_from_template(source.streams.video[0])
        audio = [output.add_stream_from_template(source.streams.audio[0]) for _ in range(2)]
        for stream, language in zip(audio, ("ger", "eng"), strict=True):
            stream.metadata["language"] = language
        audio[1].disposition = av.stream.Disposition.comment
        words = output.add_mux_stream("subrip" if path.suffix == ".mkv" else "mov_text")
        words.time_base = Fraction(1, 1000)
        words.metadata["language"] = "ger"
        output.set_chapters(
            [
                {
                    "id": n,
                    "start": n * 1000,
                    "end": n * 1000 + 1000,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": name},
                }
                for n, name in enumerate(("one", "two"))
            ]
        )
        output.start_encoding()
        for begin, text in ((200, "<i>hello</i>"), (1200, "world")):
            plain = text.encode() if path.suffix == ".mkv" else mov_text(text)
            packet = av.Packet(plain)
            packet.pts = packet.dts = begin
            packet.duration, packet.time_base, packet.stream = 500, Fraction(1, 1000), words
            output.mux(packet)
        for packet in source.demux():
            if packet.size:
                for stream in [video] if packet.stream.type == "video" else audio:
                    again = av.Packet(bytes(packet))
                    again.pts, again.dts, again.time_base = packet.pts, packet.dts, packet.time_base
                    again.duration, again.is_keyframe, again.stream = (
                        packet.duration,
                        packet.is_keyframe,
                        stream,
                    )
                    output.mux(again)
    return path


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_languages_subtitles_chapters_and_title_are_kept(tmp_path, suffix):
    writer, _ = copy(everything(tmp_path / f"a{suffix}"), tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        languages = [stream.metadata["language"] for stream in container.streams.audio]
        dispositions = [stream.disposition for stream in container.streams.audio]
        (words,) = container.streams.subtitles
        shown = [
            (float(packet.pts * packet.time_base), bytes(packet)[2:].decode())
            for packet in container.demux(words)
            if packet.size > 2
        ]
        chapters = [(each["start"] / 1000, each["metadata"]["title"]) for each in container.chapters()]
        assert container.metadata["title"] == "My clip"
        assert container.metadata["creation_time"] == "2020-01-02T03:04:05.000000Z"
        assert words.metadata["language"] == "ger"
    assert languages == ["ger", "eng"]
    assert bool(dispositions[1] & av.stream.Disposition.comment)
    assert [text.replace("<i>", "").replace("</i>", "") for _, text in shown] == ["hello", "world"]
    assert [time for time, _ in shown] == pytest.approx([0.2, 1.2], abs=0.03)
    assert [title for _, title in chapters] == ["one", "two"]
    if suffix == ".mkv":
        assert writer.warnings == ["left out, as MP4 does not hold it: tags (LOCATION)"]


def test_a_cover_and_the_name_of_a_track_are_kept(tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", Clip(ticks=range(10), audio="aac"))
    context = av.CodecContext.create("png", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 32, 32, "rgb24", Fraction(1, 25)
    (image,) = context.encode(av.VideoFrame.from_ndarray(gray_frame(90, 32, 32), format="rgb24"))
    with av.open(str(clip)) as source, av.open(str(tmp_path / "a.mp4"), "w") as output:
        tracks = [output.add_stream_from_template(stream) for stream in source.streams]
        tracks[1].metadata["title"] = "Commentary"
        cover = output.add_stream("png", rate=25)
        cover.width = cover.height = 32
        cover.pix_fmt, cover.disposition = "rgb24", av.stream.Disposition.attached_pic
        output.start_encoding()
        image.stream = cover
        output.mux(image)
        for packet in source.demux():
            if packet.size:
                packet.stream = tracks[packet.stream.index]
                output.mux(packet)
    writer, _ = copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        covers = [stream for stream in container.streams.video if int(stream.disposition) & 1024]
        assert container.streams.audio[0].metadata["name"] == "Commentary"
        assert [bytes(packet) for packet in container.demux(covers) if packet.size] == [bytes(image)]
    assert writer.warnings == []


@pytest.mark.parametrize(
    ("codec", "payload", "text"),
    [
        ("subrip", b"<i>hello</i> you", "hello you"),
        ("ass", rb"0,0,Default,,0,0,0,,{\b1}one,\Ntwo", "one,\ntwo"),
        ("webvtt", "größer".encode(), "größer"),
        ("text", b"caf\xe9", "caf\ufffd"),
    ],
)
def test_subtitles_become_plain_text(codec, payload, text):
    assert subtitle_text(codec, payload) == text


def test_a_subtitle_is_never_longer_than_its_length_can_say():
    sample = mov_text("ä" * 40_000)
    assert struct.unpack(">H", sample[:2])[0] == len(sample) - 2
    sample[2:].decode()


def test_copied_audio_keeps_its_times_to_the_tick(tmp_path):
    path = write_clip(tmp_path / "a.mp4", Clip(ticks=range(30), audio="aac"))
    copy(path, tmp_path / "b.mp4")
    assert audio_packets(tmp_path / "b.mp4") == audio_packets(path)
