import builtins
from fractions import Fraction
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("pydicom", minversion="3", reason="needs the extra [medical]")

from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    generate_uid,
)

from maskweave.errors import ImageTooLarge, MissingDependency, UnreadableImage
from maskweave.sources.dicom import DicomSource
from maskweave.sources.find import find_sources
from maskweave.sources.open_image import open_image
from maskweave.sources.raster_options import RasterOptions
from tests.sources.dicoms import dicom, save, sequence, write_series

RAMP = np.arange(-1200, 1200, dtype=np.int16).reshape(40, 60)


def image(path, **raster_options):
    (frame,) = open_image(path, raster_options=RasterOptions(**raster_options))
    return frame.image


def test_padding_is_in_no_range(tmp_path):
    values = np.full((20, 30), -2000, np.int16)
    values[:, 10:] = np.linspace(0, 1000, 20)
    (source,) = find_sources([save(tmp_path / "a.dcm", dicom(values, PixelPaddingValue=-2000))])
    (frame,) = source
    assert frame.image[0, [0, 10, 29], 0].tolist() == [0, 0, 255]
    assert source.warnings == ["no window in the file: 0 to 1000 became 0 to 255; see --window"]


def test_an_overlay_that_is_not_drawn_is_told_once(tmp_path):
    data = dicom(np.zeros((2, 20, 30), np.uint8), WindowCenter=128, WindowWidth=256)
    data.add_new(0x60003000, "OW", bytes(76))
    (source,) = find_sources([save(tmp_path / "a.dcm", data)])
    assert len(list(source)) == 2
    assert source.warnings == ["its overlay (graphics in planes of their own) is not drawn"]


def test_a_compression_that_nothing_decodes_is_named_with_what_to_install(tmp_path):
    if any(find_spec(name) for name in ("pylibjpeg", "gdcm", "jpeg_ls")):
        pytest.skip("a decoder is installed")
    data = dicom(np.zeros((20, 30), np.uint8))
    data.file_meta.TransferSyntaxUID = JPEGLSLossless
    data.PixelData = encapsulate([b"\xff\xd8\xff\xf7" + bytes(40)])
    data["PixelData"].is_undefined_length = True
    with pytest.raises(
        UnreadableImage, match=r"packed \(JPEG-LS Lossless.*\), which nothing installed decodes; `pip"
    ):
        image(save(tmp_path / "a.dcm", data))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None])
def test_rescale_and_window_are_as_pydicom_has_them(tmp_path, function):
    data = dicom(RAMP, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=[40, 1], WindowWidth=[400, 2])
    if function:
        data.VOILUTFunction = function
    found = image(save(tmp_path / "a.dcm", data))
    wanted = apply_voi_lut(apply_modality_lut(RAMP, data), data)
    wanted = (wanted - wanted.min()) / np.ptp(wanted) * 255
    assert found.shape == (40, 60, 3)
    assert np.abs(found - wanted[:, :, None]).max() <= 1


def test_the_user_s_window_goes_before_the_file_s(tmp_path):
    path = save(tmp_path / "a.dcm", dicom(RAMP, WindowCenter=40, WindowWidth=400))
    found = image(path, window=(0, 101))[:, :, 0].ravel()
    assert (found[RAMP.ravel() <= -51] == 0).all()
    assert (found[RAMP.ravel() >= 50] == 255).all()
    assert found[RAMP.ravel() == 0].tolist() == [129]


def test_low_values_of_monochrome1_are_bright(tmp_path):
    plain = image(save(tmp_path / "a.dcm", dicom(RAMP, WindowCenter=40, WindowWidth=400)))
    data = dicom(RAMP, WindowCenter=40, WindowWidth=400, PhotometricInterpretation="MONOCHROME1")
    assert (image(save(tmp_path / "b.dcm", data)) == 255 - plain).all()


def test_a_table_makes_gray(tmp_path):
    entries = (255 - np.arange(256, dtype="<u2")) * 257
    table = sequence(LUTDescriptor=[256, 0, 16], LUTData=entries.tobytes())
    pixels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    found = image(save(tmp_path / "a.dcm", dicom(pixels, VOILUTSequence=table)))
    assert (found[:, :, 0] == 255 - pixels).all()


def test_without_a_window_the_values_themselves_are_stretched_and_it_is_told(tmp_path):
    source = open_image(save(tmp_path / "a.dcm", dicom(RAMP)))
    (frame,) = source
    assert (frame.image.min(), frame.image.max()) == (0, 255)
    assert "--window" in source.warnings[0]


def test_colors_are_kept(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    assert (image(save(tmp_path / "a.dcm", dicom(pixels))) == pixels).all()


def test_frames_of_one_file_are_a_video(tmp_path):
    pixels = np.stack([np.full((8, 9), each * 50, np.uint8) for each in range(4)])
    path = save(tmp_path / "cine.dcm", dicom(pixels, WindowCenter=128, WindowWidth=256))
    (source,) = find_sources([path])
    assert source.kind == "video"
    with source:
        frames = list(source)
        assert (source.info.kind, source.info.frame_count, source.info.grid) == ("video", 4, None)
    assert [frame.image[0, 0, 0] for frame in frames] == [0, 50, 100, 150]
    assert [frame.time for frame in frames] == [Fraction(each, 25) for each in range(4)]
    assert frames[1].name == "cine-0002"


@pytest.mark.parametrize(
    ("attributes", "times"),
    [
        ({"FrameTime": "100"}, [0, 100, 200, 300]),
        ({"FrameTimeVector": ["0", "33.5", "80", "40"]}, [0, 33.5, 113.5, 153.5]),
        ({"CineRate": "10"}, [0, 100, 200, 300]),
        ({"RecommendedDisplayFrameRate": "50"}, [0, 20, 40, 60]),
        ({"FrameTime": "0", "FrameTimeVector": ["0", "40"]}, [0, 40, 80, 120]),
    ],
)
def test_frames_of_one_file_have_the_times_that_it_says(tmp_path, attributes, times):
    pixels = np.stack([np.full((8, 9), each * 50, np.uint8) for each in range(4)])
    (source,) = find_sources([save(tmp_path / "cine.dcm", dicom(pixels, **attributes))])
    frames = list(source)
    assert [float(frame.time * 1000) for frame in frames] == pytest.approx(times)
    assert source.info.duration == pytest.approx(float(frames[-1].time + frames[-1].duration))
    assert all((frame.time / source.info.time_base).denominator == 1 for frame in frames)


def test_groups_of_an_enhanced_file_tell_place_and_window_of_each_frame(tmp_path):
    def groups(**parts):
        item = Dataset()
        for name, value in parts.items():
            setattr(item, name, sequence(**value))
        return item

    pixels = np.stack([np.full((8, 9), each, np.int16) for each in (10, 20, 30)])
    own = [
        groups(
            PlanePositionSequence={"ImagePositionPatient": [0, 0, z]},
            FrameVOILUTSequence={"WindowCenter": 128, "WindowWidth": 256},
            PixelValueTransformationSequence={
                "RescaleSlope": slope,
                "RescaleIntercept": 0,
                "RescaleType": "US",
            },
        )
        for z, slope in ((6, 1), (4, 2), (2, 3))
    ]
    shared = groups(
        PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        PixelMeasuresSequence={"PixelSpacing": [1, 1], "SliceThickness": 2},
    )
    data = dicom(pixels, PerFrameFunctionalGroupsSequence=own, SharedFunctionalGroupsSequence=[shared])
    with DicomSource([save(tmp_path / "a.dcm", data)]) as source:
        assert source.info.grid.origin == (0, 0, 2)
        assert source.info.grid.slices == (0, 0, 2)
        assert [frame.image[0, 0, 0] for frame in source] == [90, 40, 10]


def first_pixels(source):
    with source:
        return [int(frame.image[0, 0, 0]) for frame in source]


def test_slices_lie_along_their_normal_whatever_their_names_and_numbers(tmp_path):
    axial = write_series(tmp_path / "a", [(0, 0, 9), (0, 0, 3), (0, 0, 6)], InstanceNumber=1)
    (source,) = find_sources([axial])
    assert source.kind == "video"
    assert first_pixels(source) == [10, 20, 0]
    assert source.info.grid.slices == (0, 0, 3)
    assert source.info.grid.columns == (0.75, 0, 0)
    assert source.info.grid.rows == (0, 0.5, 0)
    coronal = write_series(tmp_path / "b", [(0, 9, 0), (0, 3, 0), (0, 6, 0)], orientation=(1, 0, 0, 0, 0, -1))
    assert first_pixels(find_sources([coronal])[0]) == [10, 20, 0]


def test_without_positions_the_instance_number_orders(tmp_path):
    for name, number in (("x", 3), ("y", 1), ("z", 2)):
        pixels = np.full((8, 9), number * 10, np.uint8)
        save(tmp_path / name, dicom(pixels, InstanceNumber=number, WindowCenter=128, WindowWidth=256))
    (source,) = find_sources([tmp_path])
    assert first_pixels(source) == [10, 20, 30]
    assert source.info.grid is None


def test_uneven_and_repeated_slices_are_told(tmp_path):
    uneven = write_series(tmp_path / "a", [(0, 0, 0), (0, 0, 3), (0, 0, 9)])
    with find_sources([uneven])[0] as source:
        assert source.info.grid.slices == (0, 0, 4.5)
        assert "3 to 6 mm apart" in source.warnings[0]
    repeated = write_series(tmp_path / "b", [(0, 0, 0), (0, 0, 0)])
    with find_sources([repeated])[0] as source:
        assert source.info.grid is None
        assert "one place" in source.warnings[0]


def test_each_series_and_size_of_a_folder_is_an_input(tmp_path):
    write_series(tmp_path / "study", [(0, 0, 0), (0, 0, 3)])
    save(tmp_path / "study" / "other", dicom(RAMP, SeriesInstanceUID=generate_uid()))
    write_series(tmp_path / "study" / "deep", [(0, 0, 0), (0, 0, 3)])
    (tmp_path / "study" / "notes.txt").write_text("DICM")
    found = find_sources([tmp_path / "study"])
    assert [source.kind for source in found] == ["image", "video"]
    assert len({source.name for source in found}) == 2
    assert len(find_sources([tmp_path / "study"], recursive=True)) == 3


def test_what_is_no_image_or_damaged(tmp_path):
    plan = dicom(RAMP)
    del plan.PixelData, plan.Rows
    with pytest.raises(UnreadableImage, match="without pixels"):
        open_image(save(tmp_path / "plan.dcm", plan))
    cut = save(tmp_path / "cut.dcm", dicom(RAMP, WindowCenter=1, WindowWidth=2))
    cut.write_bytes(cut.read_bytes()[:-2000])
    with pytest.raises(UnreadableImage, match="damaged"):
        list(open_image(cut))
    with pytest.raises(ImageTooLarge):
        list(open_image(save(tmp_path / "a.dcm", dicom(RAMP)), max_pixels=100))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("has_meta", [True, False])
def test_a_file_without_preamble_is_read_as_with_it(tmp_path, syntax, has_meta):
    data = dicom(RAMP, WindowCenter=40, WindowWidth=400)
    if syntax == ExplicitVRBigEndian:
        data.PixelData = RAMP.astype(">i2").tobytes()
    data.file_meta.TransferSyntaxUID = syntax
    whole = tmp_path / "with.dcm"
    dcmwrite(whole, data, enforce_file_format=True)
    expected = image(whole)
    bare = tmp_path / "without"
    if has_meta:
        bare.write_bytes(whole.read_bytes()[132:])
    else:
        del data.file_meta
        little = syntax != ExplicitVRBigEndian
        data.save_as(bare, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=little)
    assert bare.read_bytes()[128:132] != b"DICM"
    (source,) = find_sources([bare])
    assert source.kind == "image"
    with source:
        (frame,) = source
    assert (frame.image == expected).all()


@pytest.mark.parametrize("signed", [False, True])
def test_bits_that_do_not_count_are_left_out(tmp_path, signed):
    stored = np.arange(-2048, 2048, 4, dtype=np.int16) if signed else np.arange(0, 4096, 4, dtype=np.int16)
    stored = stored.reshape(32, 32)
    graphics = (stored & 0x0FFF) | 0x5000  # in the four bits above those that are stored
    plain = dicom(stored.astype(np.int16 if signed else np.uint16), WindowCenter=500, WindowWidth=3000)
    drawn = dicom(graphics.view(np.uint16), WindowCenter=500, WindowWidth=3000, BitsStored=12, HighBit=11)
    drawn.PixelRepresentation = int(signed)
    assert (image(save(tmp_path / "a", drawn)) == image(save(tmp_path / "b", plain))).all()


def test_colors_of_more_than_8_bits_are_as_in_photos(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 4096, (8, 9, 3)).astype(np.uint16)
    data = dicom(pixels, BitsStored=12, HighBit=11)
    assert (image(save(tmp_path / "a.dcm", data)) == pixels >> 4).all()


def test_floats_are_read(tmp_path):
    data = dicom(RAMP, WindowCenter=40, WindowWidth=400)
    expected = image(save(tmp_path / "a.dcm", data))
    del data.PixelData
    data.BitsAllocated = 32
    data.FloatPixelData = RAMP.astype(np.float32).tobytes()
    for name in ("BitsStored", "HighBit", "PixelRepresentation"):
        delattr(data, name)
    assert (image(save(tmp_path / "b.dcm", data)) == expected).all()


def test_a_damaged_file_and_a_plan_cost_a_folder_nothing(tmp_path):
    folder = write_series(tmp_path / "study", [(0, 0, 0), (0, 0, 3)])
    (folder / "broken").write_bytes(bytes(128) + b"DICM" + b"\x02\0\0\0UL\4\0\xff\xff\xff\xff" + b"\xff" * 30)
    plan = dicom(RAMP)
    del plan.PixelData, plan.Rows
    save(folder / "plan", plan)
    Image.new("RGB", (8, 8)).save(folder / "photo.png")
    found = {source.label: source for source in find_sources([folder])}
    assert set(found) == {str(folder), str(folder / "broken"), str(folder / "photo.png")}
    assert "passed over 1 DICOM file without pixels" in found[str(folder)].warnings[0]
    with pytest.raises(UnreadableImage, match="broken"):
        found[str(folder / "broken")].open()
    assert len(first_pixels(found[str(folder)])) == 2


def test_a_folder_of_plans_alone_says_so(tmp_path):
    plan = dicom(RAMP)
    del plan.PixelData, plan.Rows
    save(tmp_path / "plan", plan)
    (source,) = find_sources([tmp_path])
    with pytest.raises(UnreadableImage, match="need DICOM images, got 1 DICOM file without pixels"):
        source.open()


def test_without_pydicom_it_is_said_what_to_install(tmp_path, monkeypatch):
    path = save(tmp_path / "a.dcm", dicom(RAMP))
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] == "pydicom":
            raise ImportError(name, name=name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    for inputs in (path, tmp_path):
        (source,) = find_sources([inputs])
        with pytest.raises(MissingDependency, match=r"maskweave\[medical\]"):
            source.open()
