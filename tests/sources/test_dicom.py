import builtins
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("pydicom", minversion="3", reason="needs the extra [medical]")

from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import generate_uid

from maskweave.errors import ImageTooLarge, MissingDependency, UnreadableImage
from maskweave.sources.dicom import DicomSource
from maskweave.sources.find import find_sources
from maskweave.sources.pictures import open_picture
from maskweave.sources.reading import Reading
from tests.sources.dicoms import dicom, save, sequence, write_series

RAMP = np.arange(-1200, 1200, dtype=np.int16).reshape(40, 60)


def image(path, **reading):
    (frame,) = open_picture(path, reading=Reading(**reading))
    return frame.image


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


def test_a_table_makes_grey(tmp_path):
    entries = (255 - np.arange(256, dtype="<u2")) * 257
    table = sequence(LUTDescriptor=[256, 0, 16], LUTData=entries.tobytes())
    pixels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    found = image(save(tmp_path / "a.dcm", dicom(pixels, VOILUTSequence=table)))
    assert (found[:, :, 0] == 255 - pixels).all()


def test_without_a_window_the_values_themselves_are_stretched_and_it_is_told(tmp_path):
    source = open_picture(save(tmp_path / "a.dcm", dicom(RAMP)))
    (frame,) = source
    assert (frame.image.min(), frame.image.max()) == (0, 255)
    assert "--window" in source.warnings[0]


def test_colours_are_kept(tmp_path):
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
        open_picture(save(tmp_path / "plan.dcm", plan))
    cut = save(tmp_path / "cut.dcm", dicom(RAMP, WindowCenter=1, WindowWidth=2))
    cut.write_bytes(cut.read_bytes()[:-2000])
    with pytest.raises(UnreadableImage, match="damaged"):
        list(open_picture(cut))
    with pytest.raises(ImageTooLarge):
        list(open_picture(save(tmp_path / "a.dcm", dicom(RAMP)), max_pixels=100))


def test_without_pydicom_it_is_said_what_to_install(tmp_path, monkeypatch):
    path = save(tmp_path / "a.dcm", dicom(RAMP))
    real = builtins.__import__

    def without(name, *rest, **options):
        if name.split(".")[0] == "pydicom":
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    for inputs in (path, tmp_path):
        (source,) = find_sources([inputs])
        with pytest.raises(MissingDependency, match=r"maskweave\[medical\]"):
            source.open()
