"""Images: every pixel format by its fixed rule, upright, and never a half one."""

import io
import json
import os
import struct
import subprocess
import sys
import threading
import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from maskweave.errors import (
    ImageTooLarge,
    InvalidValue,
    MaskWeaveError,
    SourceNotFound,
    UnreadableImage,
)
from maskweave.sources.images import ImageSource, read_image
from tests.clips import corners, quarter_names

GRAY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(height=64, width=80):
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("PPM", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_lossless_formats_are_exact(kind, options):
    assert np.array_equal(read_image(encoded(Pillow.fromarray(noise()), kind, **options)), noise())


@pytest.mark.parametrize(("mode", "size"), [("RGB", (50, 31)), ("L", (7, 9)), ("1", (19, 8)), ("P", (33, 4))])
def test_a_png_whose_pixels_end_before_its_last_row_is_refused(mode, size):
    whole = encoded(Pillow.new(mode, size))
    assert read_image(whole).shape == (*size[::-1], 3)
    at = whole.index(b"IDAT")
    length = int.from_bytes(whole[at - 4 : at])
    rows = zlib.decompress(whole[at + 4 : at + 4 + length])
    kept = size[1] // 2 * (len(rows) // size[1])
    body = b"IDAT" + zlib.compress(rows[:kept])
    chunk = (len(body) - 4).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
    with pytest.raises(UnreadableImage, match="damaged or cut short"):
        read_image(whole[: at - 4] + chunk + whole[at + 8 + length :])


def test_jpeg_and_lying_suffix(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(Pillow.fromarray(corners()), "PNG"))
    assert quarter_names(read_image(path)) == "RG/BW"
    assert quarter_names(read_image(encoded(Pillow.fromarray(corners()), "JPEG"))) == "RG/BW"


@pytest.mark.parametrize("orientation", range(9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_undone(orientation, kind):
    stored = {  # how a camera stores the upright image, by the tag's definition
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }.get(orientation, lambda a: a)(corners())
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    image = read_image(encoded(Pillow.fromarray(np.ascontiguousarray(stored)), kind, exif=exif))
    assert image.shape == (48, 64, 3)
    assert quarter_names(image) == "RG/BW"


def test_16_bit_keeps_the_high_byte(tmp_path):
    values = np.arange(0, 65536, 64, dtype=np.uint16).reshape(32, 32)
    expected = np.repeat((values >> 8).astype(np.uint8)[:, :, None], 3, 2)
    for suffix in (".png", ".tiff"):
        cv2.imwrite(str(tmp_path / f"g{suffix}"), values)
        assert np.array_equal(read_image(tmp_path / f"g{suffix}"), expected)
    colors = np.stack([values, values[::-1], values.T], axis=2)  # as BGR
    cv2.imwrite(str(tmp_path / "c.png"), colors)
    assert np.array_equal(read_image(tmp_path / "c.png"), (colors[:, :, ::-1] >> 8).astype(np.uint8))


def test_dark_16_bit_image_is_not_stretched():
    dark = Pillow.fromarray(np.array([[0, 255], [256, 300]], np.uint16))
    assert read_image(encoded(dark))[:, :, 0].tolist() == [[0, 0], [1, 1]]


def chunked(name, body):
    """A small PNG with one more chunk after its header."""
    data = encoded(Pillow.fromarray(corners()))
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return data[:33] + chunk + data[33:]


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        (b"gAMA", struct.pack(">I", 100_000), "its gamma of 1 is not applied"),
        (b"gAMA", struct.pack(">I", 45_455), None),
        (b"cICP", b"\x09\x10\x00\x01", "its color space (cICP, as of HDR) is not sRGB"),  # BT.2020, PQ
        (b"cICP", b"\x01\x0d\x00\x01", None),
    ],
    ids=["linear", "as sRGB", "HDR", "sRGB"],
)
def test_colors_of_a_png_that_are_not_applied_are_told(name, body, told):
    source = ImageSource(chunked(name, body))
    assert quarter_names(next(iter(source)).image) == "RG/BW"
    assert [line.startswith(told) for line in source.warnings] == ([] if told is None else [True])


def test_a_profile_that_cannot_be_used_is_told():
    for profile, told in (
        (b"x" * 200, "its color profile is for"),
        (b"x" * 16 + b"RGB " + bytes(200), "damaged"),
    ):
        source = ImageSource(encoded(Pillow.fromarray(corners()), icc_profile=profile))
        assert quarter_names(next(iter(source)).image) == "RG/BW"
        assert told in source.warnings[0]
        assert "not applied" in source.warnings[0]


def test_gray_palette_and_one_bit():
    assert np.array_equal(read_image(encoded(Pillow.fromarray(GRAY)))[:, :, 1], GRAY)
    palette = Pillow.fromarray(corners()).quantize(4)
    assert quarter_names(read_image(encoded(palette))) == "RG/BW"
    bits = Pillow.fromarray(GRAY > 100)
    assert np.array_equal(read_image(encoded(bits))[:, :, 2], (GRAY > 100) * np.uint8(255))


def test_a_palette_of_8_bits_in_a_tiff_is_no_black_image():
    """Some writers put 0 to 255 where 0 to 65535 belong; libtiff and GDAL know them, Pillow does not."""
    image = Pillow.fromarray(GRAY, "P")
    image.putpalette([value for each in range(256) for value in (each, 255 - each, 0)])
    data = encoded(image, "TIFF")
    wide = np.array([np.arange(256), 255 - np.arange(256), np.zeros(256)], "<u2")
    stored = [table for table in (wide * 256, wide * 257) if table.tobytes() in data]
    narrow = data.replace(stored[0].tobytes(), wide.tobytes())
    expected = np.stack([GRAY, 255 - GRAY, 0 * GRAY], axis=2)
    assert np.array_equal(read_image(data), expected)
    assert np.array_equal(read_image(narrow), expected)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("bits", [12, 16])
def test_white_in_jpeg_2000_of_many_bits_stays_white(channels, bits):
    rgb = np.concatenate([corners(32, 32)] * 2, axis=1)[:, :, :3]
    data = jpeg_2000(rgb, channels, bits)
    assert np.abs(read_image(data).astype(int) - rgb).max() <= 1
    source = ImageSource(data.replace(b"colr\1\0\0\0\0\0\x10", b"colr\1\0\0\0\0\0\x11"))  # gray, as GDAL says
    assert np.abs(next(iter(source)).image.astype(int) - rgb).max() <= 1
    if channels == 3:
        assert source.warnings[0].startswith("the colors that it names are not those it has")


def test_jpeg_2000_of_many_bits_that_is_cut_is_refused():
    data = jpeg_2000(noise(), 3, 16)
    with pytest.raises(UnreadableImage, match="damaged or cut short"):
        read_image(data[: len(data) // 2])


def jpeg_2000(rgb, channels, bits):
    """A lossless JP2 of FFmpeg's, its colors named as sRGB."""
    wide = np.full((*rgb.shape[:2], channels), 65535, np.uint16)
    wide[:, :, :3] = rgb.astype(np.uint16) * 257
    kind = {(3, 16): "rgb48le", (4, 16): "rgba64le", (3, 12): "gbrp12le", (4, 12): "gbrap12le"}[
        channels, bits
    ]
    frame = av.VideoFrame.from_ndarray(wide, format="rgb48le" if channels == 3 else "rgba64le")
    encoder = av.CodecContext.create("jpeg2000", "w")
    encoder.options = {"format": "jp2", "pred": "dwt53"}
    encoder.height, encoder.width = rgb.shape[:2]
    encoder.pix_fmt, encoder.time_base = kind, Fraction(1, 25)
    packets = [*encoder.encode(frame.reformat(format=kind)), *encoder.encode(None)]
    return bytes(packets[0])


def test_floats_are_0_to_1():
    floats = np.array([[0.0, 0.5], [1.0, 7.0], [-1.0, np.nan]], np.float32)
    image = read_image(encoded(Pillow.fromarray(floats), "TIFF"))
    assert image[:, :, 0].tolist() == [[0, 128], [255, 255], [0, 0]]


def test_integers_of_32_bits_are_taken_as_16():
    wide = Pillow.fromarray(np.array([[0, 256], [65535, 70000]], np.int32))
    assert read_image(encoded(wide, "TIFF"))[:, :, 0].tolist() == [[0, 1], [255, 255]]


def test_alpha_is_composited_on_white():
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 0], rgba[0, :, 3] = 200, (255, 128, 0)
    expected = [[200, 0, 0], [227, 127, 127], [255, 255, 255]]
    assert read_image(encoded(Pillow.fromarray(rgba)))[0].tolist() == expected
    assert next(iter(ImageSource(rgba))).image[0].tolist() == expected
    gray = Pillow.merge("LA", [Pillow.fromarray(np.ascontiguousarray(rgba[:, :, at])) for at in (0, 3)])
    assert read_image(encoded(gray))[0, :, 0].tolist() == [200, 227, 255]


def test_transparent_palette_and_color():
    palette = Pillow.fromarray(corners()).quantize(4)
    red = palette.getpixel((0, 0))
    image = read_image(encoded(palette, transparency=red))
    assert quarter_names(image) == "WG/BW"
    keyed = read_image(encoded(Pillow.fromarray(corners()), transparency=(0, 0, 255)))
    assert quarter_names(keyed) == "RG/WW"
    values = np.array([[0, 513], [514, 65535]], np.uint16)
    gray = read_image(encoded(Pillow.fromarray(values), transparency=513))
    assert gray[:, :, 0].tolist() == [[0, 255], [2, 255]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind):
    cmyk = Pillow.fromarray(corners()).convert("CMYK")
    image = read_image(encoded(cmyk, kind))
    assert quarter_names(image) == "RG/BW"
    assert np.abs(image.astype(int) - corners()).mean() < 10


def test_adobe_inverted_cmyk():
    """Adobe stores CMYK JPEG inverted and says so in an APP14 segment; Pillow writes exactly that."""
    data = encoded(Pillow.fromarray(corners()).convert("CMYK"), "JPEG")
    assert b"Adobe" in data
    assert quarter_names(read_image(data)) == "RG/BW"


def test_wrong_png_checksum():
    data = bytearray(encoded(Pillow.fromarray(corners())))
    data[data.find(b"IDAT") - 4 + 8 + int.from_bytes(data[data.find(b"IDAT") - 4 : data.find(b"IDAT")])] ^= 1
    with pytest.raises(UnreadableImage, match="wrong checksum of IDAT"):
        read_image(bytes(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_a_cut_file_never_passes(kind, part):
    data = encoded(Pillow.fromarray(noise()), kind)
    with pytest.raises(UnreadableImage, match=r"photo: (damaged or cut short|need an image)"):
        read_image(data[: int(len(data) * part)], label="photo")


def test_progressive_jpeg_cut_short():
    data = encoded(Pillow.fromarray(noise()), "JPEG", progressive=True)
    with pytest.raises(UnreadableImage, match="cut short"):
        read_image(data[: len(data) // 2])


def test_clear_messages(tmp_path):
    with pytest.raises(SourceNotFound, match=r"gone\.jpg: no such file"):
        read_image(tmp_path / "gone.jpg")
    (tmp_path / "e.png").touch()
    with pytest.raises(UnreadableImage, match=r"e\.png: need an image, got an empty file \(0 bytes\)"):
        read_image(tmp_path / "e.png")
    (tmp_path / "t.jpg").write_text("hello world, I am no image\n" * 9)
    with pytest.raises(UnreadableImage, match="got text that begins 'hello world"):
        read_image(tmp_path / "t.jpg")
    with pytest.raises(UnreadableImage, match="HEIC"):
        read_image(b"\x00\x00\x00\x18ftypheic" + bytes(64))
    with pytest.raises(UnreadableImage, match="need a readable file"):
        read_image(tmp_path)
    with pytest.raises(UnreadableImage, match="other or damaged data"):
        read_image(b"\x00\x01\x02\x03" * 9)


def test_a_link_to_itself_is_no_damage(tmp_path):
    (tmp_path / "a.png").symlink_to("a.png")
    with pytest.raises(UnreadableImage, match="need a readable file, got Too many levels"):
        read_image(tmp_path / "a.png")


def test_errors_are_one_line(tmp_path):
    (tmp_path / "t.jpg").write_text("\n\nhello\n\n")
    with pytest.raises(UnreadableImage) as caught:
        read_image(tmp_path / "t.jpg")
    assert "\n" not in str(caught.value)


def bomb(width, height):
    """A PNG header that promises ``width`` x ``height`` pixels, and hardly any data."""
    import struct
    import zlib

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_000, 15_000, 60_000, 2**31 - 1])
def test_budget_is_checked_before_decoding(side):
    with pytest.raises(ImageTooLarge, match=rf"{side} x {side} pixels .* 50 Mpx.*--max-pixels"):
        read_image(bomb(side, side))


def test_budget_can_be_raised_and_lowered():
    limit = Pillow.MAX_IMAGE_PIXELS
    with pytest.raises(UnreadableImage):  # past the budget, on to the missing data
        read_image(bomb(20_000, 10_000), max_pixels=10**9)
    with pytest.raises(ImageTooLarge, match=r"0\.0051 Mpx"):
        read_image(encoded(Pillow.fromarray(noise())), max_pixels=5_100)
    assert limit == Pillow.MAX_IMAGE_PIXELS


def test_budget_names_the_option_and_the_keyword():
    with pytest.raises(ImageTooLarge, match=r"\(--max-pixels, in Python max_pixels=\)"):
        read_image(encoded(Pillow.fromarray(noise())), max_pixels=5_100)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "GIF"])
def test_budget_is_for_what_is_not_yet_decoded(kind):
    data = encoded(Pillow.fromarray(noise()), kind)
    with Pillow.open(io.BytesIO(data)) as lazy:
        with pytest.raises(ImageTooLarge):
            list(ImageSource(lazy, max_pixels=100))
        lazy.load()
        assert len(list(ImageSource(lazy, max_pixels=100))) == 1


def test_what_is_in_memory_has_no_budget():
    for data in (noise(), Pillow.fromarray(noise()), Pillow.new("L", (20, 20))):
        assert len(list(ImageSource(data, max_pixels=100))) == 1


def test_source_of_everything(tmp_path):
    path = tmp_path / "sea.png"
    path.write_bytes(encoded(Pillow.fromarray(corners())))
    for data in (path, str(path), path.read_bytes(), Pillow.open(path), corners(), corners()[:, ::1]):
        with ImageSource(data, "x") as source:
            (frame,) = source
        assert quarter_names(frame.image) == "RG/BW"
        assert (frame.source, frame.time, frame.index, source.info.kind) == ("x", 0, 0, "image")
    assert ImageSource(path).info.name == "sea"
    assert ImageSource(path).info.path == path
    assert ImageSource(b"").info.name == "image"
    assert len(list(ImageSource(GRAY))) == 1


@pytest.mark.parametrize("dpi", [None, (300, 300)])
def test_a_tiff_has_the_resolution_that_it_says_or_none(dpi):
    (frame,) = ImageSource(encoded(Pillow.fromarray(corners()), "TIFF", **({"dpi": dpi} if dpi else {})))
    assert frame.dpi == dpi


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8)]
)
def test_other_arrays_are_refused(array):
    with pytest.raises(InvalidValue, match="image: need"):
        list(ImageSource(array))


@pytest.mark.parametrize("wrong", [5, None, [1, 2], {}, object(), 1.5, b"x".decode])
def test_other_types_are_refused_at_once(wrong):
    need = r"image: need a path, bytes, an open binary file, a PIL image or a uint8 array, got "
    with pytest.raises(InvalidValue, match=need + type(wrong).__name__):
        ImageSource(wrong)
    with pytest.raises(InvalidValue, match="image: need a path, bytes"):
        read_image(wrong)


def test_bytes_of_every_kind(tmp_path):
    data = encoded(Pillow.fromarray(corners()))
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with path.open("rb") as file, path.open("rb", buffering=0) as raw:
        for one in (bytearray(data), memoryview(data), io.BytesIO(data), file, raw):
            assert quarter_names(read_image(one)) == "RG/BW"
        for one in (bytearray(data), memoryview(data), io.BytesIO(data)):
            source = ImageSource(one)
            assert len(list(source)) == len(list(source)) == 1
    assert quarter_names(read_image(str(path))) == "RG/BW"
    with path.open(encoding="latin-1") as text, pytest.raises(InvalidValue, match=r"open it with \"rb\""):
        read_image(text)


def test_frames_know_their_file(tmp_path):
    path = tmp_path / "sea.JPG"
    path.write_bytes(encoded(Pillow.fromarray(corners()), "JPEG"))
    assert [frame.file_name for frame in ImageSource(path)] == ["sea.JPG"]
    assert [frame.file_name for frame in ImageSource(corners())] == [""]


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3), (8, 8, 4)])
def test_the_callers_array_is_not_shared(shape):
    buffer = np.full(shape, 200, np.uint8)
    (frame,) = ImageSource(buffer)
    before = frame.image.copy()
    buffer[:] = 0
    assert np.array_equal(frame.image, before)
    assert not np.shares_memory(frame.image, buffer)


def test_the_callers_bytes_are_not_shared():
    data = bytearray(encoded(Pillow.fromarray(corners())))
    source = ImageSource(data)
    data[:] = bytes(len(data))
    assert len(list(source)) == 1


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {"transparency": (0, 0, 65280)}), ("JPEG", {"exif": b"Exif\0\0"}), ("GIF", {"transparency": 1})],
)
def test_the_callers_image_is_not_changed(kind, options):
    mode = "P" if kind == "GIF" else "RGB"
    with Pillow.open(io.BytesIO(encoded(Pillow.fromarray(corners()).convert(mode), kind))) as image:
        image.load()
        image.info.update(options)
        image.encoderinfo = {}
        before = (dict(image.info), image.mode, image.size, image.tobytes())
        (frame,) = ImageSource(image)
        frame.image[:] = 7
        assert (image.info, image.mode, image.size, image.tobytes()) == before


def test_a_lazy_image_that_is_cut_short_is_one_line():
    data = encoded(Pillow.fromarray(noise()))
    image = Pillow.open(io.BytesIO(data[: len(data) // 2]))
    with image, pytest.raises(UnreadableImage, match=r"^photo: damaged or cut short"):
        list(ImageSource(image, "photo"))


def test_label_names_the_image_in_errors():
    with pytest.raises(UnreadableImage, match=r"^http://host/a: need an image .* text that begins '<html>'"):
        list(ImageSource(b"<html>", "a", label="http://host/a"))


def test_a_video_is_told():
    with pytest.raises(UnreadableImage, match="got a video"):
        read_image(b"\x00\x00\x00\x18ftypisom" + bytes(64))


def test_a_pipe_is_read_once(tmp_path):
    data = encoded(Pillow.fromarray(corners()))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    source = ImageSource(pipe)
    for _ in range(2):
        assert quarter_names(next(iter(source)).image) == "RG/BW"
    writer.join()


def test_a_device_is_refused():
    with pytest.raises(UnreadableImage, match="/dev/null: need a file or a pipe, got a device"):
        read_image(Path("/dev/null"))


def test_a_source_that_fails_fails_when_read(tmp_path):
    source = ImageSource(tmp_path / "gone.png")
    with pytest.raises(SourceNotFound):
        list(source)


# -- the corpus of broken and unusual images ----------------------------------------------------------------

CHILD = """
import json, sys, warnings
warnings.simplefilter("ignore")
from pathlib import Path
from maskweave.errors import MaskWeaveError
from maskweave.sources.images import read_image
for line in sys.stdin:
    path = Path(line.strip())
    print(json.dumps([path.name, "started"]), flush=True)
    try:
        shape = list(read_image(path).shape)
    except MaskWeaveError as error:
        shape = f"{type(error).__name__}: {error}"
    print(json.dumps([path.name, shape]), flush=True)
"""


def outcomes(paths, seconds=50):
    """What a child process makes of each file; a crash or another exception shows as "started"."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return dict(json.loads(line) for line in child.stdout.splitlines()), child.stderr


@pytest.mark.shared
@pytest.mark.parametrize("folder", ["pillow_bad", "imagers_bad"])
def test_broken_images_decode_or_raise_our_errors(shared_data, folder):
    paths = sorted((shared_data / "corpus" / folder).iterdir())
    found, _ = outcomes(paths)  # libtiff itself writes to stderr
    assert set(found) == {path.name for path in paths}
    assert [name for name, outcome in found.items() if outcome == "started"] == []
    assert all("\n" not in outcome for outcome in found.values() if isinstance(outcome, str))


@pytest.mark.shared
def test_animated_pngs_crash_nothing(shared_data):
    found, _ = outcomes(sorted((shared_data / "corpus" / "apng").iterdir()))
    assert "started" not in found.values()


@pytest.mark.shared
def test_png_suite(shared_data):
    for path in sorted((shared_data / "corpus" / "pngsuite").glob("*.png")):
        if path.name.startswith("x"):
            with pytest.raises(MaskWeaveError):
                read_image(path)
            continue
        image = read_image(path)
        raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert image.shape == (*raw.shape[:2], 3)
        if raw.ndim == 3 and raw.shape[2] == 3 and path.name[:2] in ("ba", "oi", "f0", "cs", "s0"):
            bgr = raw >> 8 if raw.dtype == np.uint16 else raw
            assert np.array_equal(image, bgr[:, :, ::-1]), path.name


@pytest.mark.shared
@pytest.mark.parametrize("shape", ["Landscape", "Portrait"])
def test_all_orientations_of_a_photo(shared_data, shape):
    folder = shared_data / "corpus" / "exif_orient"
    reference = read_image(folder / f"{shape}_1.jpg").astype(int)
    for orientation in range(9):
        image = read_image(folder / f"{shape}_{orientation}.jpg")
        assert image.shape == reference.shape
        small = cv2.resize(np.abs(image - reference).astype(np.float32), (8, 8), interpolation=cv2.INTER_AREA)
        assert small.max() < 40, orientation


@pytest.mark.shared
def test_webp_named_jpg(shared_data):
    image = read_image(shared_data / "media" / "segment_img.jpg")
    assert image.shape[2] == 3
    assert min(image.shape[:2]) > 300
