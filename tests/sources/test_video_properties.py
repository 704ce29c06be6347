"""What a stream says about itself is heeded: shape, color, fields, alpha, tracks, keys; and how its file is known."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from av.filter import Graph

from maskweave.errors import UnreadableVideo
from maskweave.sources.files import kind_of_path, open_file
from maskweave.sources.kinds import kind_by_content
from maskweave.sources.video import VideoSource
from tests.clips import Clip, corners, gray_frame, write_clip


def read(path, **options):
    with VideoSource(path, **options) as source:
        frames = list(source)
    return frames, source


def encode(path, frames, *, codec="libx264", pix_fmt="yuv420p", options=None, **settings):
    """A clip of these `av.VideoFrame`s; ``settings`` are the codec context's."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, pix_fmt
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        for tick, frame in enumerate(frames):
            frame.pts, frame.time_base = tick, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("rotation", "aspect"), [(0, "64/45"), (90, "45/64"), (180, "64/45"), (270, "45/64")]
)
def test_the_shape_of_the_pixels_is_that_of_the_upright_image(tmp_path, rotation, aspect):
    clip = Clip(ticks=range(3), aspect=Fraction(64, 45), rotation=rotation)
    frames, source = read(write_clip(tmp_path / "a.mp4", clip))
    assert source.info.pixel_aspect == Fraction(aspect)
    assert {frame.pixel_aspect for frame in frames} == {Fraction(aspect)}
    assert len(frames) == 3  # also of a stream that was looked at before


@pytest.mark.parametrize("aspect", ["1", "1000", "1/1000"])
def test_square_pixels_and_nonsense_are_square(tmp_path, aspect):
    _, source = read(write_clip(tmp_path / "a.mp4", Clip(ticks=range(2), aspect=Fraction(aspect))))
    assert source.info.pixel_aspect == 1


def pq(nits):
    """The code value of so many candelas a square meter (SMPTE ST 2084), 0..1."""
    low = (nits / 10000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * low) / (1 + 2392 / 128 * low)) ** (2523 / 32)


def ten_bit(lumas):
    """A frame of gray stripes in 10 bits."""
    frame = av.VideoFrame(64 * len(lumas), 64, "yuv420p10le")
    values = np.repeat(np.array(lumas, "<u2"), 64)[None].repeat(64, 0)
    for plane, content in zip(
        frame.planes, (values, *[np.full((32, 32 * len(lumas)), 512, "<u2")] * 2), strict=True
    ):
        rows = np.zeros((plane.height, plane.line_size // 2), "<u2")
        rows[:, : content.shape[1]] = content
        plane.update(rows.tobytes())
    return frame


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_tone_mapped_and_told(tmp_path, transfer, name):
    nits = (1, 26, 100, 203, 1000)
    codes = [pq(each) for each in nits] if transfer == 16 else [0.05, 0.2, 0.4, 0.75, 1.0]
    path = encode(
        tmp_path / "a.mkv",
        [ten_bit([round(64 + 876 * code) for code in codes])],
        codec="ffv1",
        pix_fmt="yuv420p10le",
        color_primaries=9,
        color_trc=transfer,
        colorspace=9,
        color_range=1,
    )
    (frame,), source = read(path)
    shown = [int(frame.image[32, 32 + 64 * each, 0]) for each in range(5)]
    assert shown == sorted(set(shown))
    if transfer == 16:
        assert shown[0] == pytest.approx(
            20, abs=8
        )  # BT.709 shows 1 nit as about 20, PQ's own code would be 37
        assert shown[-1] == pytest.approx(230, abs=30)
    assert source.warnings == [f"HDR video ({name}, BT.2020): tone-mapped to BT.709"]


def comb(image):
    """How much neighboring rows differ more than rows two apart do."""
    gray = image.astype(float).mean(axis=2)
    return np.abs(np.diff(gray, axis=0)).mean() / max(1e-6, np.abs(gray[2:] - gray[:-2]).mean())


def interlaced(frame):
    """The frame, marked as two fields, the top one first."""
    graph = Graph()
    source = graph.add("buffer", f"video_size={frame.width}x{frame.height}:pix_fmt=yuv420p:time_base=1/25")
    fields, sink = graph.add("setfield", "tff"), graph.add("buffersink")
    source.link_to(fields)
    fields.link_to(sink)
    graph.configure()
    graph.push(frame)
    return graph.pull()


@pytest.mark.parametrize(("order", "lower_is_later"), [(2, True), (3, False), (1, None)])
def test_fields_that_only_the_container_tells_are_deinterlaced(tmp_path, order, lower_is_later):
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "rgb24"
        stream.codec_context.field_order = order
        for tick in range(12):
            image = gray_frame(100, 96, 128)
            for row in range(96):
                x = 5 + 6 * tick + 3 * (row % 2 == lower_is_later)
                image[row, x : x + 14] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    frames, source = read(tmp_path / "a.mov")
    assert len(frames) == 12
    assert source.warnings == (["the video is interlaced: deinterlaced (bwdif)"] if order > 1 else [])
    if order > 1:
        assert comb(frames[6].image) < 1.2


def test_interlaced_frames_are_deinterlaced_one_for_one_at_their_own_times(tmp_path):
    fields = []
    for tick in range(20):
        image = gray_frame(100, 96, 128)
        for row in range(96):
            x = 5 + 5 * tick + (row % 2) * 3  # the second field is seen later
            image[row, x : x + 14] = 255
        fields.append(
            interlaced(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p"))
        )
    path = encode(
        tmp_path / "a.mkv",
        fields,
        codec="mpeg2video",
        options={"flags": "+ilme+ildct", "b": "8000000", "top": "1"},
    )
    frames, source = read(path)
    assert "the video is interlaced: deinterlaced (bwdif)" in source.warnings
    assert [frame.time for frame in frames] == pytest.approx([tick / 25 for tick in range(20)], abs=0.001)
    assert comb(frames[10].image) < 1.2
    with av.open(str(path)) as container:
        woven = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert comb(woven[10]) > 1.5


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [(".mov", "qtrle", "argb"), (".mov", "png", "rgba"), (".webm", "libvpx-vp9", "yuva420p")],
)
@pytest.mark.parametrize("alpha", [0, 255])
def test_transparent_parts_are_white_as_in_images(tmp_path, suffix, codec, pix_fmt, alpha):
    rgba = np.full((64, 64, 4), (255, 0, 0, 255), np.uint8)
    rgba[:, :32, 3] = alpha
    frame = av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(format=pix_fmt)
    with av.open(str(tmp_path / f"a{suffix}"), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = pix_fmt
        if suffix == ".webm":
            stream.metadata["alpha_mode"] = "1"
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (shown,), source = read(tmp_path / f"a{suffix}")
    assert shown.image[32, 8].tolist() == pytest.approx([255, 0, 0] if alpha else [255] * 3, abs=6)
    assert shown.image[32, 48].tolist() == pytest.approx([255, 0, 0], abs=6)
    assert source.warnings == ([] if alpha else ["transparent parts are shown on white"])


@pytest.mark.parametrize(
    ("matrix", "primaries", "told"),
    [
        (8, 1, ["its color matrix (YCgCo) cannot be applied: colors differ"]),
        (10, 9, ["the filters for this video cannot be used"]),
        (1, 1, []),
    ],
)
def test_colors_that_cannot_be_converted_are_told_and_no_other(tmp_path, matrix, primaries, told):
    path = encode(tmp_path / "a.mkv", [ten_bit([300])], codec="ffv1", pix_fmt="yuv420p10le",
                  colorspace=matrix, color_primaries=primaries)  # fmt: skip
    (frame,), source = read(path)
    assert frame.size == (64, 64)
    assert [line[: len(words)] for line, words in zip(source.warnings, told, strict=True)] == told


@pytest.mark.parametrize("suffix", [".mp4", ".flv"])
def test_a_second_video_joined_to_the_end_is_told(tmp_path, suffix):
    path = write_clip(tmp_path / f"a{suffix}")
    frames, source = read(path)
    assert (len(frames), source.warnings, source.is_incomplete) == (12, [], False)
    data = path.read_bytes()
    path.write_bytes(data * 2)
    frames, source = read(path)
    assert len(frames) >= 12
    assert source.is_incomplete
    assert any(f"joined to its end, at byte {len(data):,}" in line for line in source.warnings)


def test_of_several_video_tracks_the_largest_is_read_and_the_others_are_told(tmp_path):
    small, large = (
        write_clip(tmp_path / f"{size[0]}.mp4", Clip(ticks=range(5), size=size))
        for size in ((48, 64), (96, 128))
    )
    with (
        av.open(str(small)) as one,
        av.open(str(large)) as two,
        av.open(str(tmp_path / "a.mkv"), "w") as output,
    ):
        pairs = [(each, output.add_stream_from_template(each.streams.video[0])) for each in (one, two)]
        for source, stream in pairs:
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    output.mux(packet)
    frames, source = read(tmp_path / "a.mkv")
    assert {frame.size for frame in frames} == {(96, 128)}
    assert source.warnings == ["2 video tracks: track 1 (128 x 96) is used, left out: track 0 (64 x 48)"]


def test_a_scrambled_transport_stream_is_called_encrypted(tmp_path):
    path = write_clip(tmp_path / "a.ts", Clip(ticks=range(30)))
    data, noise = bytearray(path.read_bytes()), np.random.default_rng(0)
    for at in range(0, len(data), 188):
        if (data[at + 1] & 31) << 8 | data[at + 2] == 0x100:
            data[at + 3] |= 0xC0
            data[at + 4 : at + 188] = noise.bytes(184)
    path.write_bytes(bytes(data))
    with pytest.raises(UnreadableVideo, match="got an encrypted one"):
        read(path)


def test_common_encryption_is_called_encrypted(tmp_path):
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "76" * 16, "encryption_kid": "a7" * 16}
    with av.open(str(tmp_path / "a.mp4"), "w", container_options=key) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for tick in range(5):
            frame = av.VideoFrame.from_ndarray(gray_frame(20 * tick), format="rgb24")
            frame.pts = tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(UnreadableVideo, match="got an encrypted one"):
        read(tmp_path / "a.mp4")


@pytest.mark.parametrize("name", ["a.mjpeg", "a.mjpg", "a", "a.jpg", "a.dat"])
def test_jpeg_images_one_after_the_other_are_a_video_whatever_the_name(tmp_path, name):
    clip = write_clip(
        tmp_path / "clip.mjpeg",
        Clip(ticks=range(6), codec="mjpeg", pix_fmt="yuvj420p", options={}, images=[corners()] * 6),
    )
    path = clip.rename(tmp_path / name)
    assert kind_of_path(path) == "video"
    with open_file(path) as source:
        assert len(list(source)) == 6
    assert source.warnings == ["no frame has a timestamp: shown at 25 frames a second"]


@pytest.mark.parametrize("name", ["a.mjpg", "a.jpg", "a"])
@pytest.mark.parametrize(
    ("head", "end"),
    [
        (b"--ffmpeg\r\nContent-type: image/jpeg\r\nContent-length: %d\r\n\r\n", b"--ffmpeg\r\n"),
        (b"\r\n--myboundary\r\nX-Time: 1\r\nContent-Type: image/jpg\r\n\r\n", b""),
        (b"--b\nContent-Type: image/jpeg\n\n", b"--b--\n"),
    ],
)
def test_what_a_camera_serves_is_a_video_when_it_was_saved_with_its_heads(tmp_path, name, head, end):
    image = jpeg(48, 64)
    parts = [head % len(image) if b"%d" in head else head, image, b"\r\n"]
    path = tmp_path / name
    path.write_bytes(b"".join(parts) * 6 + end)
    assert kind_of_path(path) == "video"
    with open_file(path) as source:
        assert len(list(source)) == 6
    assert source.warnings == ["no frame has a timestamp: shown at 25 frames a second"]
    assert not source.is_incomplete
    path.write_bytes(b"".join(parts) * 5 + head + image[:-300])
    with open_file(path) as source:
        assert len(list(source)) >= 5
    assert source.is_incomplete


def jpeg(height, width, extra=b""):
    """A JPEG, with a segment behind its first marker."""
    frame = av.VideoFrame.from_ndarray(gray_frame(90, height, width), format="rgb24")
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt, context.time_base = (
        width,
        height,
        "yuvj420p",
        Fraction(1, 25),
    )
    data = b"".join(map(bytes, [*context.encode(frame.reformat(format="yuvj420p")), *context.encode(None)]))
    return data[:2] + extra + data[2:]


@pytest.mark.parametrize(
    "data",
    [
        jpeg(48, 64),
        jpeg(48, 64) + jpeg(24, 32),
        jpeg(48, 64, b"\xff\xe2\x00\x08MPF\x00ab") + jpeg(48, 64),
        jpeg(48, 64) + b"trailer of a camera" + jpeg(48, 64),
    ],
    ids=["alone", "with a preview behind it", "MPO", "with other data behind it"],
)
def test_a_photo_with_more_behind_it_is_an_image(tmp_path, data):
    (tmp_path / "a.jpg").write_bytes(data)
    assert kind_of_path(tmp_path / "a.jpg") == "image"


def dahua(path, clip):
    """A recording as Dahua's recorders write it: every frame in a block of its own."""
    blocks = []
    with av.open(str(clip)) as container:
        for number, packet in enumerate(each for each in container.demux(video=0) if each.size):
            extra = bytes([0x80, 0, 64 // 8, 48 // 8, 0x81, 0, 2, 25])  # size; H.264, 25 a second
            size = 24 + len(extra) + packet.size + 8
            date = 26 << 26 | 11 << 22 | 30 << 17 | 1 << 12 | number // 25
            kind = 0xFD if packet.is_keyframe else 0xFC
            head = struct.pack(
                "<4sB3xIIIHBB", b"DHAV", kind, number, size, date, number * 40 % 65536, len(extra), 0
            )
            blocks.append(head + extra + bytes(packet) + b"dhav" + struct.pack("<I", size))
    path.write_bytes(b"".join(blocks))
    return path


def test_a_recording_of_dahua_is_a_video(tmp_path):
    clip = write_clip(tmp_path / "a.h264", Clip(ticks=range(25), options={"bf": "0"}))
    path = dahua(tmp_path / "a.dav", clip)
    assert kind_of_path(path) == "video"
    frames, _ = read(path)
    assert len(frames) == 25


@pytest.mark.parametrize(
    "head",
    [b"DHAV\xfd", b".RMF\x00", b"NSVf", b"DKIF", b"\x00\x00\x00\x01\x67\x42", b"\x1f\x07\x00\x3f"],
    ids=["dahua", "realmedia", "nsv", "ivf", "h264", "dv"],
)
def test_video_formats_are_known_by_their_first_bytes(head):
    assert kind_by_content(head + bytes(200)) == "video"


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
@pytest.mark.parametrize("suffix", [".avi"])
def test_avi_with_b_frames_keeps_its_length(tmp_path, suffix, codec):
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8)
    clip = Clip(ticks=range(40), images=noise, codec=codec, options={"bf": "2"})
    frames, source = read(write_clip(tmp_path / f"a{suffix}", clip))
    assert [frame.time for frame in frames] == [Fraction(tick, 25) for tick in range(len(frames))]
    assert len(frames) == 40
    assert source.warnings == []
