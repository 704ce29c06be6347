"""A scene from above, however large, in tiles: outlines on the map, an area for each class, and an image.

    python examples/satellite.py scene.tif --model ships.onnx --bands 4 3 2

The scene is read piece by piece, so it may be larger than memory. The GeoJSON is in longitude and latitude and opens
in QGIS. The network in the package knows everyday objects seen from the ground; give a model that has learned from
above.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import maskweave as mw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--model", default="built-in")
    parser.add_argument("--bands", type=int, nargs="+", help="shown as red, green and blue, counted from 1")
    parser.add_argument("--tile", type=int, default=1024)
    parser.add_argument("-o", "--output", type=Path, default=Path())
    options = parser.parse_args()

    raster_options = mw.RasterOptions(bands=tuple(options.bands) if options.bands else None)
    with mw.load(options.model, tile=options.tile) as model:
        result = model(options.scene, raster_options=raster_options)

    pixels: dict[str, int] = defaultdict(int)
    for name, area in zip(result.instances.names, result.instances.masks.areas, strict=True):
        pixels[name] += int(area)
    place = result.frame.geo
    for name, area in sorted(pixels.items(), key=lambda each: -each[1]):
        size = (
            f"{area} pixels"
            if place is None
            else f"{area * place.pixel_area:,.0f} square units of {place.crs}"
        )
        print(f"{result.instances.names.count(name):>5} x {name}: {size}")

    stem = options.scene.stem
    print(result.save(options.output / f"{stem}.geojson"))
    print(result.save(options.output / f"{stem}.overlay.jpg"))


if __name__ == "__main__":
    main()
