"""Formats of images beside the usual ones: read where a reader is there, else named for what they are."""

import builtins
import io
import struct

import numpy as np
import pytest
from PIL import Image, features

from maskweave.errors import UnreadableImage
from maskweave.sources.find import find_sources
from maskweave.sources.images import read_image
from tests.clips import corners, quarter_names


def psd(image, *, depth=8, version=1, merged=True, alpha=None):
    """A Photoshop file without layers: header, three sections, then the merged image, plane by plane."""
    planes = [image[:, :, channel] for channel in range(3)] + ([] if alpha is None else [alpha])
    height, width = image.shape[:2]
    head = struct.pack(">4sH6xHIIHH", b"8BPS", version, len(planes), height, width, depth, 3)
    told = struct.pack(">IB", 1, merged) + bytes(9)  # resource 1057: is there a merged image?
    resource = b"8BIM" + struct.pack(">HHI", 1057, 0, len(told)) + told
    sections = struct.pack(">I", 0) + struct.pack(">I", len(resource)) + resource + struct.pack(">I", 0)
    body = b"".join(np.ascontiguousarray(plane).tobytes() for plane in planes)
    return head + sections + struct.pack(">H", 0) + body


def test_the_merged_image_of_a_photoshop_file(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(psd(corners()))
    (source,) = find_sources([path])
    assert source.kind == "image"
    with source:
        (frame,) = source
    assert (frame.image == corners()).all()
    assert source.warnings == []


def test_a_photoshop_file_without_its_merged_image_is_not_taken_for_white():
    with pytest.raises(UnreadableImage, match="a PSD without its merged image; save it with"):
        read_image(psd(np.full((8, 9, 3), 255, np.uint8), merged=False))


def test_1_is_black_in_a_photoshop_bitmap():
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 1, 2, 8, 1, 0)
    image = read_image(head + bytes(12) + b"\0\0" + b"\xf0\x0f")
    assert image[:, :, 0].tolist() == [[0] * 4 + [255] * 4, [255] * 4 + [0] * 4]


def test_photoshop_files_of_other_kinds_are_named():
    deep = psd(np.zeros((8, 9, 3), np.uint16), depth=16)
    with pytest.raises(UnreadableImage, match="a Photoshop file that has not 8 bits a channel"):
        read_image(deep)
    with pytest.raises(UnreadableImage, match=r"a large Photoshop document \(PSB\), which is not supported"):
        read_image(psd(corners(), version=2))


def oriented(image, kind, **options):
    """The image's bytes with the EXIF orientation 6: stored turned to the left."""
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.rot90(image, 1))).save(buffer, kind, exif=exif, **options)
    return buffer.getvalue()


def test_heic_is_read_where_its_reader_is_installed(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra [heif]")
    pillow_heif.register_heif_opener()
    path = tmp_path / "IMG_0001.jpg"  # as phones rename them
    Image.fromarray(corners()).save(path, "HEIF", quality=95)
    (source,) = find_sources([path])
    with source:
        (frame,) = source
    assert frame.image.shape == (48, 64, 3)
    assert quarter_names(frame.image) == "RG/BW"


def test_heic_that_is_cut_does_not_ask_for_the_reader_that_is_there():
    pytest.importorskip("pillow_heif", reason="needs the extra [heif]").register_heif_opener()
    data = oriented(corners(), "HEIF")
    with pytest.raises(UnreadableImage, match="got HEIC that is damaged or cut short"):
        read_image(data[: len(data) // 2])


def test_further_images_of_a_heic_are_counted(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif", reason="needs the extra [heif]")
    pillow_heif.register_heif_opener()
    path = tmp_path / "a.heic"
    Image.fromarray(corners()).save(
        path, "HEIF", save_all=True, append_images=[Image.new("RGB", (64, 48))] * 2
    )
    (source,) = find_sources([path])
    with source:
        assert quarter_names(next(iter(source)).image) == "RG/BW"
        assert source.warnings == [
            "3 images, of which the primary one was read; export the others to have them"
        ]


def test_heic_without_a_reader_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **options):
        if name == "pillow_heif":
            raise ImportError(name, name=name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    for brand in (b"heic", b"mif1", b"msf1", b"hevc", b"heix"):
        with pytest.raises(UnreadableImage, match=r"got HEIC, .*pip install 'maskweave\[heif\]'.*as JPEG"):
            read_image(b"\0\0\0\x18ftyp" + brand + bytes(64))


@pytest.mark.skipif(
    "avif" not in features.modules or not features.check("avif"), reason="this Pillow has no AVIF"
)
def test_avif_is_read_upright():
    image = read_image(oriented(corners(), "AVIF", quality=95))
    assert image.shape == (48, 64, 3)
    assert quarter_names(image) == "RG/BW"


NAMED = {
    "JPEG XL": b"\xff\x0a",
    "JPEG XR": b"II\xbc\x01",
    "OpenEXR": b"\x76\x2f\x31\x01",
    "Radiance HDR": b"#?RADIANCE\n",
    "FITS": b"SIMPLE  =                    T",
    "a GIMP image with layers": b"gimp xcf v011",
    r"a camera's raw photo \(CR3\)": b"\0\0\0\x18ftypcrx ",
    r"a camera's raw photo \(RAF\)": b"FUJIFILMCCD-RAW 0201",
    r"a camera's raw photo \(ORF\)": b"IIRO\x08\0\0\0",
    "a PDF document": b"%PDF-1.7",
    "SVG": b"<svg xmlns=",
    "PostScript": b"%!PS-Adobe",
    "PAM": b"P7\nWIDTH 2\n",
    "PFM": b"PF\n2 2\n-1.0\n",
}


@pytest.mark.parametrize("name", NAMED)
def test_what_is_not_supported_is_named(tmp_path, name):
    path = tmp_path / "a.jpg"
    path.write_bytes(NAMED[name] + bytes(300))
    with pytest.raises(
        UnreadableImage, match=rf"got {name}, which is not supported; export it as PNG or JPEG"
    ):
        read_image(path)


@pytest.mark.parametrize(
    "head", [bytes(128) + b"DICM", b"\x5c\1\0\0" + bytes(340) + b"n+1\0"], ids=["dicom", "nifti"]
)
def test_bytes_of_a_medical_image_are_no_damaged_image(head):
    with pytest.raises(UnreadableImage, match="got a medical image, which is read from a file of its own"):
        read_image(head + bytes(300))


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_portable_maps_are_known_by_their_content(tmp_path, mode):
    path = tmp_path / "a.bin"
    Image.fromarray(corners()).convert(mode).save(path, "PPM")
    (source,) = find_sources([path])
    assert source.kind == "image"
    with source:
        assert len(list(source)) == 1


def test_a_bitmap_whose_reserved_words_are_used_is_one(tmp_path):
    path = tmp_path / "a.bin"
    Image.fromarray(corners()).save(path, "BMP")
    data = bytearray(path.read_bytes())
    data[6:10] = b"\1\2\3\4"
    path.write_bytes(data)
    assert find_sources([path])[0].kind == "image"


@pytest.mark.parametrize("name", ["a.jpg", "a.bin"])
@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"PK\3\4", "a ZIP archive; unpack it"),
        (b"\x93NUMPY\1\0", "a NumPy array; pass it from Python"),
        (b"version https://git-lfs.github.com/spec/v1", "`git lfs pull` loads it"),
        (b"data:image/png;base64,iVBORw0KGgo=", "an image as base64 text"),
        (bytes(64), "nothing but zeros"),
    ],
)
def test_what_stands_in_place_of_an_image_is_named_with_what_to_do(tmp_path, name, head, told):
    (tmp_path / name).write_bytes(head + bytes(100))
    (source,) = find_sources([tmp_path / name])
    with pytest.raises(UnreadableImage, match=told), source:
        list(source)
