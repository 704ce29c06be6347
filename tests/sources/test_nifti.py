"""NIfTI volumes, written here by the layout of the format: every voxel lands where the header says that it lies."""

import gzip
import itertools
import struct

import numpy as np
import pytest

from maskweave.errors import ImageTooLarge, SourceNotFound, UnreadableImage
from maskweave.sources.find import find_sources
from maskweave.sources.nifti import NiftiSource
from maskweave.sources.open_image import open_image
from maskweave.sources.raster_options import RasterOptions

CODES = {
    "u1": 2,
    "i2": 4,
    "i4": 8,
    "f4": 16,
    "f8": 64,
    "i1": 256,
    "u2": 512,
    "u4": 768,
    "i8": 1024,
    "u8": 1280,
}
RAS = np.array([[2.0, 0, 0, -10], [0, 3, 0, -20], [0, 0, 4, 5]])


def nifti(
    values,
    affine=RAS,
    *,
    order="<",
    code=None,
    scale=(0, 0),
    shown=(0, 0),
    quaternion=None,
    magic=b"n+1\0",
    shape=None,
):
    """A NIfTI-1 file of values (i, j, k, …); by a matrix, or by ``quaternion``: b, c, d, x, y, z and qfac."""
    head = bytearray(352)
    sides = list(values.shape if shape is None else shape)
    struct.pack_into(order + "i", head, 0, 348)
    struct.pack_into(f"{order}{len(sides) + 1}h", head, 40, len(sides), *sides)
    struct.pack_into(order + "h", head, 70, code or CODES[values.dtype.str[1:]])
    spacing = [1, *np.linalg.norm(RAS[:, :3], axis=0)]
    if quaternion is not None:
        spacing[0] = quaternion[6]
        struct.pack_into(order + "h", head, 252, 1)
        struct.pack_into(order + "6f", head, 256, *quaternion[:6])
    elif affine is not None:
        struct.pack_into(order + "h", head, 254, 1)
        struct.pack_into(order + "12f", head, 280, *np.ravel(affine))
    struct.pack_into(order + "4f", head, 76, *spacing)
    struct.pack_into(order + "f", head, 108, 352 if magic == b"n+1\0" else 0)
    struct.pack_into(order + "2f", head, 112, *scale)
    head[123] = 2
    struct.pack_into(order + "2f", head, 124, shown[1], shown[0])
    head[344:348] = magic
    body = values.astype(values.dtype.newbyteorder(order)).tobytes(order="F")
    return bytes(head) + body if magic == b"n+1\0" else (bytes(head), body)


def nifti2(values, affine=RAS, order="<"):
    head = bytearray(544)
    struct.pack_into(order + "i8s", head, 0, 540, b"n+2\0\r\n\x1a\n")
    struct.pack_into(order + "h", head, 12, CODES[values.dtype.str[1:]])
    struct.pack_into(f"{order}{values.ndim + 1}q", head, 16, values.ndim, *values.shape)
    struct.pack_into(order + "4d", head, 104, 1, 1, 1, 1)
    struct.pack_into(order + "q", head, 168, 544)
    struct.pack_into(order + "2d", head, 192, 255, 0)
    struct.pack_into(order + "i", head, 348, 1)
    struct.pack_into(order + "12d", head, 400, *np.ravel(affine))
    return bytes(head) + values.astype(values.dtype.newbyteorder(order)).tobytes(order="F")


def volume(shape=(5, 4, 3)):
    """Each voxel has its own number."""
    return np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)


def write(path, data):
    path.write_bytes(data)
    return path


def frames_of(path, **raster_options):
    with NiftiSource(path, raster_options=RasterOptions(**raster_options)) as source:
        return list(source), source


def oriented(ways, signs):
    """A matrix whose axis n runs along world axis ``ways[n]``, 2, 3 or 4 mm a step."""
    matrix = np.zeros((3, 4))
    for axis, (way, sign, step) in enumerate(zip(ways, signs, (2, 3, 4), strict=True)):
        matrix[way, axis] = sign * step
    matrix[:, 3] = (7, -8, 9)
    return matrix


@pytest.mark.parametrize("ways", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_every_voxel_lies_where_the_header_says_and_slices_are_upright(tmp_path, ways, signs):
    values, affine = volume(), oriented(ways, signs)
    frames, source = frames_of(write(tmp_path / "a.nii", nifti(values, affine, shown=(0, 255))))
    grid = source.info.grid
    assert len(frames) == 3
    for k, frame in enumerate(frames):
        for y, x in itertools.product(range(frame.size[0]), range(frame.size[1])):
            lps = np.array(grid.origin) + x * np.array(grid.columns) + y * np.array(grid.rows)
            lps = lps + k * np.array(grid.slices)
            i, j, there = np.linalg.solve(affine[:, :3], lps * (-1, -1, 1) - affine[:, 3]).round().astype(int)
            assert there == k
            assert frame.image[y, x].tolist() == [values[i, j, k]] * 3
    across, down = np.array(grid.columns), np.array(grid.rows)
    assert across[0] > 0 or (ways[2] == 0 and across[1] > 0)  # to the left; of sagittal slices to the back
    assert down[1] > 0 or (ways[2] != 2 and down[2] < 0)  # to the back; of the others to the feet


def test_files_of_every_form_give_the_same(tmp_path):
    values = volume()
    plain, _ = frames_of(write(tmp_path / "a.nii", nifti(values, shown=(0, 255))))
    head, body = nifti(values, shown=(0, 255), magic=b"ni1\0")
    write(tmp_path / "pair.img", body)
    forms = {
        "big.nii": nifti(values, shown=(0, 255), order=">"),
        "packed.nii.gz": gzip.compress(nifti(values, shown=(0, 255))),
        "two.nii": nifti2(values),
        "two-big.nii": nifti2(values, order=">"),
        "pair.hdr": head,
    }
    for name, data in forms.items():
        (source,) = find_sources([write(tmp_path / name, data)])
        assert (source.kind, source.name) == ("video", name.split(".")[0])
        with source:
            assert [(a.image == b.image).all() for a, b in zip(source, plain, strict=True)] == [True] * 3


@pytest.mark.parametrize("dtype", CODES)
def test_numbers_of_every_type(tmp_path, dtype):
    values = (volume() % 100).astype(dtype)
    for order in "<>":
        frames, _ = frames_of(write(tmp_path / "a.nii", nifti(values, order=order, shown=(0, 255))))
        assert sorted(frames[1].image[:, :, 0].ravel()) == sorted(values[:, :, 1].ravel())


def test_values_are_scaled_and_the_window_is_that_of_the_call_of_the_file_or_of_the_volume(tmp_path):
    values = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
    plain = write(tmp_path / "a.nii", nifti(values, scale=(10, -100)))
    frames, source = frames_of(plain)
    every = np.stack([frame.image for frame in frames])
    assert (every.min(), every.max()) == (0, 255)
    assert source.warnings == ["no display range in the file: -100 to 490 became 0 to 255; see --window"]
    frames, source = frames_of(plain, window=(0, 201))
    assert sorted(np.stack([frame.image[:, :, 0] for frame in frames]).ravel())[10] == 128
    assert source.warnings == []
    frames, source = frames_of(write(tmp_path / "b.nii", nifti(values, scale=(10, -100), shown=(-100, 155))))
    assert sorted(np.stack([frame.image[:, :, 0] for frame in frames]).ravel())[:3] == [0, 10, 20]
    assert source.warnings == []


def test_colors_are_kept(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (5, 4, 2, 3), dtype=np.uint8)
    voxels = np.moveaxis(rgb, -1, 0)  # the three bytes of a voxel lie side by side
    frames, source = frames_of(write(tmp_path / "a.nii", nifti(voxels, code=128, shape=(5, 4, 2))))
    assert {tuple(pixel) for pixel in frames[0].image.reshape(-1, 3)} == {
        tuple(pixel) for pixel in rgb[:, :, 0].reshape(-1, 3)
    }
    assert source.warnings == []


def test_one_slice_is_an_image(tmp_path):
    flat = write(tmp_path / "a.nii", nifti(volume((5, 4, 1)), shown=(0, 255)))
    assert find_sources([flat])[0].kind == "image"
    (frame,) = open_image(flat)
    assert frame.size == (4, 5)


def test_volumes_of_a_series_follow_one_another(tmp_path):
    values = volume((5, 4, 2, 6))
    frames, source = frames_of(write(tmp_path / "a.nii.gz", gzip.compress(nifti(values, shown=(0, 255)))))
    assert (len(frames), source.info.frame_count, source.warnings) == (12, 12, [])
    assert source.info.grid.depth == 2
    for index, frame in enumerate(frames):
        stored = values[:, :, index % 2, index // 2]
        assert sorted(frame.image[:, :, 0].ravel()) == sorted(stored.ravel())
    with pytest.raises(UnreadableImage, match="cut short in slice 2 of 2 of volume 6"):
        frames_of(write(tmp_path / "b.nii", nifti(values, shown=(0, 255))[:-3]))


def test_what_is_damaged_is_said(tmp_path):
    whole = nifti(volume(), shown=(0, 255))
    with pytest.raises(UnreadableImage, match="cut short in slice 3 of 3"):
        frames_of(write(tmp_path / "a.nii", whole[:-5]))
    with pytest.raises(UnreadableImage, match="damaged or cut short"):
        frames_of(write(tmp_path / "b.nii.gz", gzip.compress(whole)[:-20]))
    with pytest.raises(UnreadableImage, match="real numbers or colors, got data type 32"):
        frames_of(write(tmp_path / "c.nii", nifti(volume(), code=32)))
    with pytest.raises(UnreadableImage, match="need a volume of 1 voxel or more"):
        frames_of(write(tmp_path / "d.nii", nifti(volume(), shape=(5, 0, 3))))
    with pytest.raises(SourceNotFound, match=r"e\.img, but it does not exist"):
        frames_of(write(tmp_path / "e.hdr", nifti(volume(), magic=b"ni1\0")[0]))
    with pytest.raises(UnreadableImage, match="need a NIfTI volume"):
        frames_of(write(tmp_path / "f.nii", b"\x5c\1\0\0" + bytes(600)))
    with pytest.raises(ImageTooLarge):
        list(open_image(write(tmp_path / "g.nii", whole), max_pixels=10))


def test_a_volume_in_a_folder_is_found_by_its_content(tmp_path):
    write(tmp_path / "scan", gzip.compress(nifti(volume(), shown=(0, 255))))
    (source,) = find_sources([tmp_path])
    assert (source.kind, source.info.frame_count) == ("video", 3)


@pytest.mark.reference
def test_the_place_of_voxels_is_nibabels(tmp_path):
    nibabel = pytest.importorskip("nibabel", reason="another reader of the format, to compare with")
    values = volume()
    quaternion = (0.1, -0.7, 0.2, 5, 6, 7, -1)
    for data in (nifti(values), nifti(values, None, quaternion=quaternion), nifti(values, None)):
        path = write(tmp_path / "a.nii", data)
        header = NiftiSource(path)._header
        expected = nibabel.load(path).affine[:3] * [[-1], [-1], [1]]
        assert header.affine == pytest.approx(expected, abs=1e-4)
