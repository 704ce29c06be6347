"""Small TIFFs that tests make themselves."""

import warnings

import numpy as np
import rasterio

UTM = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)}


def write_tiff(path, bands, *, colors=(), mask=None, **options):
    """(N, H, W) ``bands`` as a TIFF; ``options`` are those of rasterio, `UTM` puts it on a map."""
    count, height, width = bands.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype, **options
        ) as file:
            if colors:
                file.colorinterp = [rasterio.enums.ColorInterp[name] for name in colors]
            file.write(bands)
            if mask is not None:
                file.write_mask(mask)
    return path


def noise(count=3, size=(40, 60), dtype=np.uint8, high=256):
    return np.random.default_rng(1).integers(0, high, (count, *size)).astype(dtype)
