"""Cut-outs: the alpha is there, the background is what was asked for, times and audio are kept."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from maskweave.errors import InvalidValue
from maskweave.ops.semantic import foreground_from_alpha
from maskweave.outputs.background import (
    TRANSPARENT,
    Background,
    before_background,
    parse_background,
    with_alpha,
)
from maskweave.outputs.base import Target
from maskweave.outputs.cutouts import CutoutImage, CutoutVideo, cut_out
from maskweave.outputs.images import MaskImage, OverlayImage
from maskweave.outputs.video import AlphaVideoWriter
from maskweave.sources.images import ImageSource
from maskweave.sources.video import VideoSource
from maskweave.types import Frame, SemanticMap, SourceInfo
from maskweave.types.result import FrameResult
from tests.clips import Clip, audio_packets, write_clip
from tests.ops.test_matting import soft_flower
from tests.outputs.scenes import NAMES, SIZE, frame, squares, target
from tests.sources.profiles import swapped_profile

TIMES = [Fraction(0), Fraction(40, 1000), Fraction(133, 1000), Fraction(150, 1000), Fraction(400, 1000)]


def alpha_frames(path):
    """(time, RGBA) of each image of a WebM file, decoded by libvpx, which knows alpha."""
    decoder = av.CodecContext.create("libvpx-vp9", "r")
    found = []
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "vp9"
        for packet in container.demux(video=0):
            for rgba in decoder.decode(packet):
                assert rgba.format.name == "yuva420p"
                colors = rgba.to_ndarray(format="rgb24")
                plane = rgba.planes[3]  # FFmpeg's way from yuva420p to rgba leaves out the last columns
                alpha = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
                alpha = alpha[: rgba.height, : rgba.width]
                found.append((rgba.pts * rgba.time_base, np.dstack([colors, alpha])))
    return found


def test_a_transparent_video_has_alpha_and_the_sources_times(tmp_path):
    with CutoutVideo(target(tmp_path)) as writer:
        for index, time in enumerate(TIMES):
            image = np.full((*SIZE, 3), (200, 60, 30), np.uint8)
            writer.write(FrameResult(Frame(image, index, time), squares((10 + 5 * index, 20), side=20)))
    assert writer.path.name == "street.cutout.webm"
    found = alpha_frames(writer.path)
    assert [time for time, _ in found] == TIMES
    for index, (_, rgba) in enumerate(found):
        truth = np.zeros(SIZE, bool)
        truth[20:40, 10 + 5 * index : 30 + 5 * index] = True
        alpha = rgba[..., 3]
        assert alpha[30, 20 + 5 * index] > 250
        assert alpha[5, 5] < 5
        assert ((alpha > 127) == truth).mean() > 0.99
        np.testing.assert_allclose(rgba[30, 20 + 5 * index, :3].astype(int), (200, 60, 30), atol=16)


def test_odd_sizes_work_and_audio_is_said_to_be_missing(tmp_path):
    info = SourceInfo("x", "video", tmp_path / "x.mp4", has_audio=True)
    with AlphaVideoWriter(tmp_path / "a.webm", info) as writer:
        writer.write(np.full((17, 33, 4), 255, np.uint8), time=Fraction(2), duration=Fraction(1, 25))
    ((time, rgba),) = alpha_frames(tmp_path / "a.webm")
    assert (time, rgba.shape) == (2, (18, 34, 4))
    assert (rgba[..., 3] > 250).all()
    assert any("no audio" in warning for warning in writer.warnings)


def test_a_transparent_video_keeps_title_and_chapters(tmp_path):
    chapters = [
        {"id": number, "start": 200 * number, "end": 200 * (number + 1), "time_base": Fraction(1, 1000)}
        for number in range(2)
    ]
    for number, chapter in enumerate(chapters):
        chapter["metadata"] = {"title": f"part {number}"}
    path = tmp_path / "street.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "A street"
        container.set_chapters(chapters)
        video = container.add_stream("mpeg4", rate=25)
        video.height, video.width, video.pix_fmt = *SIZE, "yuv420p"
        for tick in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((*SIZE, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    with VideoSource(path) as source, AlphaVideoWriter(tmp_path / "a.webm", source.info) as writer:
        for each in source:
            writer.write(np.full((*SIZE, 4), 255, np.uint8), time=each.time, duration=each.duration)
    with av.open(str(tmp_path / "a.webm")) as container:
        assert container.metadata["title"] == "A street"
        kept = [
            (each["metadata"]["title"], each["start"] * each["time_base"]) for each in container.chapters()
        ]
    assert kept == [("part 0", 0), ("part 1", Fraction(1, 5))]


def test_images_without_alpha_are_refused(tmp_path):
    writer = AlphaVideoWriter(tmp_path / "a.webm", SourceInfo("x", "video"))
    with pytest.raises(InvalidValue, match=r"need a non-empty \(H, W, 4\)"), writer:
        writer.write(np.zeros((16, 16, 3), np.uint8), time=Fraction(0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["lime", "blur"])
def test_a_background_gives_h264_with_the_audio(tmp_path, name):
    clip = write_clip(tmp_path / "street.mp4", Clip(size=SIZE, audio="aac"))
    with VideoSource(clip) as source:
        chosen = Target(tmp_path / "out", source.info, "instances", NAMES, background=parse_background(name))
        with CutoutVideo(chosen) as writer:
            times = []
            for each in source:
                writer.write(FrameResult(each, squares((30, 20), side=20)))
                times.append(each.time)
    assert writer.path.name == "street.cutout.mp4"
    assert len(audio_packets(writer.path)) == len(audio_packets(clip)) > 0
    with VideoSource(writer.path) as copy:
        images = list(copy)
    assert [each.time for each in images] == times
    expected = (0, 255, 0) if name == "lime" else (20, 20, 20)
    np.testing.assert_allclose(images[0].image[8, 8].astype(int), expected, atol=16)
    np.testing.assert_allclose(images[0].image[30, 40].astype(int), (20, 20, 20), atol=12)


@pytest.mark.parametrize("task", ["instances", "foreground"])
def test_a_image_is_cut_out_to_the_pixel(tmp_path, task):
    result = squares((10, 20), (25, 20), side=20)
    mask = result.masks.union()
    if task == "foreground":
        result = SemanticMap(mask.astype(int), ("background", "foreground"))
    with CutoutImage(target(tmp_path, "image", task)) as writer:
        writer.write(FrameResult(frame(value=77), result))
    assert writer.path.name == "street.cutout.png"
    rgba = Image.open(writer.path)
    assert rgba.mode == "RGBA"
    values = np.asarray(rgba)
    np.testing.assert_array_equal(values[..., 3] == 255, mask)
    assert set(np.unique(values[..., 3])) == {0, 255}
    assert (values[mask][:, :3] == 77).all()
    assert not values[~mask].any()  # nothing of the background stays hidden in the file


def test_a_image_before_a_color_has_no_alpha(tmp_path):
    chosen = target(tmp_path, "image", background=Background("color", (255, 0, 0)))
    with CutoutImage(chosen) as writer:
        writer.write(FrameResult(frame(value=77), squares((10, 20), side=20)))
    rgba = Image.open(writer.path)
    assert rgba.mode == "RGB"
    assert rgba.getpixel((5, 5)) == (255, 0, 0)
    assert rgba.getpixel((20, 30)) == (77, 77, 77)


def test_blur_takes_no_color_from_the_objects():
    image = np.full((100, 150, 3), 40, np.uint8)
    mask = np.zeros((100, 150), bool)
    mask[30:70, 50:100] = True
    image[mask] = (250, 0, 0)
    blurred = before_background(image, mask, Background("blur"))
    near = np.zeros_like(mask)
    near[26:74, 46:104] = True
    near[28:72, 48:102] = False
    np.testing.assert_allclose(blurred[near].astype(int), 40, atol=2)
    assert blurred[50, 75].tolist() == [250, 0, 0]


def test_blur_blurs_and_works_where_nothing_or_all_is_object():
    noise = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    empty = before_background(noise, np.zeros((90, 70), bool), Background("blur"))
    assert empty.std() < noise.std() / 3
    full = before_background(noise, np.ones((90, 70), bool), Background("blur"))
    np.testing.assert_array_equal(full, noise)
    one = before_background(noise[:1, :1], np.zeros((1, 1), bool), Background("blur"))
    assert one.shape == (1, 1, 3)


def test_videos_keep_some_color_round_the_edge():
    mask = np.zeros((30, 30), bool)
    mask[10:20, 10:20] = True
    rgba = with_alpha(np.full((30, 30, 3), 90, np.uint8), mask, margin=4)
    assert rgba[15, 8].tolist() == [90, 90, 90, 0]
    assert rgba[15, 3].tolist() == [0, 0, 0, 0]


def test_backgrounds_are_read_from_text():
    assert parse_background("Transparent") is TRANSPARENT
    assert parse_background("blur").kind == "blur"
    assert parse_background("#102030").color == (16, 32, 48)
    assert parse_background("White").color == (255, 255, 255)
    for text in ("", "gren", "#12", "#11223344", "blurred"):
        with pytest.raises(
            InvalidValue, match="--background: need transparent, blur, #rrggbb or a color name"
        ):
            parse_background(text)
    with pytest.raises(InvalidValue, match="got transparent"):
        before_background(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), bool), TRANSPARENT)


def soft_map():
    alpha = np.zeros(SIZE, np.float32)
    alpha[20:40, 10:20], alpha[20:40, 20:30] = 0.25, 1
    return foreground_from_alpha(alpha)


def test_soft_foreground_gives_soft_alpha_and_a_one_bit_mask(tmp_path):
    result = soft_map()
    with (
        CutoutImage(target(tmp_path, "image", "foreground")) as cutout,
        MaskImage(target(tmp_path, "image", "foreground")) as mask,
    ):
        for writer in (cutout, mask):
            writer.write(FrameResult(frame(value=77), result))
    values = np.asarray(Image.open(cutout.path))
    np.testing.assert_array_equal(values[..., 3], np.rint(result.alpha * 255))
    assert (values[result.alpha > 0][:, :3] == 77).all()
    assert not values[result.alpha == 0].any()
    rgba = Image.open(mask.path)
    assert rgba.mode == "1"
    np.testing.assert_array_equal(np.asarray(rgba), result.alpha > 0.5)


def test_soft_foreground_is_mixed_with_the_background():
    image = np.full((*SIZE, 3), 200, np.uint8)
    mixed = cut_out(image, soft_map(), Background("color", (0, 0, 100)))
    assert mixed[30, 15].tolist() == [50, 50, 125]
    assert mixed[30, 25].tolist() == [200, 200, 200]
    assert mixed[5, 5].tolist() == [0, 0, 100]


def test_refined_edges_are_soft_in_the_file(tmp_path):
    alpha, _, image = soft_flower((120, 160), 6)
    result = SemanticMap((alpha > 0.5).astype(int), ("background", "foreground"))
    with CutoutImage(target(tmp_path, "image", "foreground", refine_edges=True)) as writer:
        writer.write(FrameResult(Frame(image), result))
    found = np.asarray(Image.open(writer.path))
    rough = np.where(result.class_map, 255, 0)
    assert np.abs(found[..., 3] - 255 * alpha).mean() < np.abs(rough - 255 * alpha).mean() / 3
    edge = (alpha > 0.1) & (alpha < 0.5)
    assert found[edge][:, 2].mean() < image[edge][:, 2].mean() / 2  # blue is what was behind


def test_pixels_per_inch_are_kept_in_cut_outs_and_overlays(tmp_path):
    shown = replace(frame(), dpi=(300.0, 150.0))
    for kind in (CutoutImage, OverlayImage):
        with kind(target(tmp_path, kind="image")) as writer:
            writer.write(FrameResult(shown, squares((10, 20), side=20)))
        with Image.open(writer.path) as rgba:
            assert rgba.info["dpi"] == pytest.approx((300, 150), abs=0.1)


def test_a_cut_out_of_a_photo_with_a_color_profile_is_shown_in_the_photos_colors(tmp_path):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (SIZE[1], SIZE[0]), (200, 60, 30)).save(photo, icc_profile=swapped_profile())
    (shown,) = ImageSource(photo)
    with CutoutImage(target(tmp_path, kind="image")) as writer:
        writer.write(FrameResult(shown, squares((10, 20), side=20)))
    with Image.open(writer.path) as rgba:
        assert "icc_profile" not in rgba.info  # sRGB, as every program takes what says nothing
        assert np.abs(np.array(rgba.getpixel((20, 30))) - (30, 60, 200, 255)).max() <= 2
