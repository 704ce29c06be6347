"""Small DICOM files that tests make themselves, of a patient whose name must not get out."""

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SECRET = "Secretius"
SERIES = generate_uid(entropy_srcs=["series"])


def dicom(pixels, **attributes):
    """A data set of (H, W), (F, H, W) or (H, W, 3) ``pixels``."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, data.file_meta.MediaStorageSOPInstanceUID
    data.SeriesInstanceUID = SERIES
    data.PatientName, data.PatientID = f"{SECRET}^A", f"{SECRET}-4711"
    data.PatientBirthDate, data.InstitutionName, data.SeriesDescription = (
        "19700101",
        f"{SECRET} Clinic",
        SECRET,
    )
    color = pixels.shape[-1] == 3
    frames = pixels.ndim == 3 and not color
    data.Rows, data.Columns = pixels.shape[1:] if frames else pixels.shape[:2]
    if frames:
        data.NumberOfFrames = len(pixels)
    data.SamplesPerPixel = 3 if color else 1
    data.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
    if color:
        data.PlanarConfiguration = 0
    bits = pixels.dtype.itemsize * 8
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.PixelData = pixels.tobytes()
    for name, value in attributes.items():
        setattr(data, name, value)
    return data


def save(path, data):
    data.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder, positions, *, names=None, size=(20, 30), orientation=(1, 0, 0, 0, 1, 0), **attributes
):
    """One slice for each position, each filled with its number in the list of positions, window 0..255."""
    folder.mkdir(exist_ok=True)
    for number, position in enumerate(positions):
        data = dicom(
            np.full(size, number * 10, np.int16),
            ImagePositionPatient=list(position),
            ImageOrientationPatient=list(orientation),
            PixelSpacing=[0.5, 0.75],
            SliceThickness=3,
            WindowCenter=128,
            WindowWidth=256,
            **attributes,
        )
        save(folder / (names[number] if names else f"slice{number}"), data)
    return folder


def sequence(**attributes):
    """A sequence of one item."""
    item = Dataset()
    for name, value in attributes.items():
        setattr(item, name, value)
    return pydicom.Sequence([item])
