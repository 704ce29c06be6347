"""One organ, marked in one slice, followed through a whole CT or MR series: its volume, as a file and in milliliters.

    python examples/medical.py series/ --slice 40 --box 180 120 260 210 --window 40,400

The folder holds the DICOM files of one series; they are put into their order in the body. The result is a label
volume (NRRD) in the place of the series, for 3D Slicer or ITK-SNAP, and an image of the marked slice. Nothing about
the patient is copied. This is no medical device: look at what it gives you.
"""

import argparse
from pathlib import Path

import numpy as np

import maskweave as mw
from maskweave.outputs import make_writers
from maskweave.outputs.base import Target
from maskweave.sources import find_sources


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("series", type=Path)
    parser.add_argument(
        "--slice", type=int, required=True, help="number of the marked slice, from 0, feet first"
    )
    parser.add_argument("--box", type=float, nargs=4, required=True, metavar=("X1", "Y1", "X2", "Y2"))
    parser.add_argument("--window", help="center and width of the gray values, e.g. 40,400")
    parser.add_argument("-o", "--output", type=Path, default=Path())
    options = parser.parse_args()

    raster_options = mw.RasterOptions.parse(bands=None, stretch=None, window=options.window)
    source = find_sources([options.series], raster_options=raster_options)[0]
    (volume,) = make_writers(["nrrd"], Target(options.output, source.info, "instances", ("object",)))
    voxels = 0
    with volume:
        for result in mw.propagate(source, boxes=[options.box], frame=options.slice):
            volume.write(result)
            voxels += int(result.instances.masks.areas.sum())
            if result.frame.index == options.slice:
                image = result.save(options.output / "marked-slice.png")

    grid = source.info.grid
    if grid is None:
        print(f"{voxels} voxels; the files do not say how large these are")
    else:
        cubic_mm = abs(np.linalg.det([grid.columns, grid.rows, grid.slices]))
        print(f"{voxels * cubic_mm / 1000:.1f} ml in {source.info.frame_count} slices")
    print(f"labels: {volume.path}, image: {image}")


if __name__ == "__main__":
    main()
