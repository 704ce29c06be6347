"""Color profiles that tests make themselves."""

from PIL import ImageCms


def swapped_profile():
    """A valid RGB profile that is not sRGB: red and blue are exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(data[128:132])
    places = {bytes(data[132 + 12 * n : 136 + 12 * n]): 132 + 12 * n for n in range(count)}
    data[places[b"rXYZ"] : places[b"rXYZ"] + 4] = b"bXYZ"
    data[places[b"bXYZ"] : places[b"bXYZ"] + 4] = b"rXYZ"
    return bytes(data)
