// What drawing and pointing need of a mask, made once and kept as long as the mask itself.

import { loopsOf, pathOf } from "./outline.js";
import { rasterise } from "./raster.js";
import { spansOf } from "./rle.js";

const LONGEST_SHOWN = 4096; // pixels of the longer side; beyond it masks are scaled for display

/** The scale at which a picture of `size` [height, width] is shown before zoom: 1, or less for a huge one. */
export function displayScale(size, longest = LONGEST_SHOWN) {
  return Math.min(1, longest / Math.max(size[0], size[1], 1));
}

/** Shapes of one picture's masks, by their RLE objects. */
export class Shapes {
  #kept = new WeakMap();

  constructor(size, longest = LONGEST_SHOWN) {
    this.scale = displayScale(size, longest);
  }

  /** {spans, crop, path}: `crop` and `path` in pixels of the scaled picture. */
  of(rle) {
    let shape = this.#kept.get(rle);
    if (!shape) {
      const spans = spansOf(rle);
      const crop = rasterise(spans, rle.size, this.scale);
      shape = { spans, crop, path: pathOf(loopsOf(crop)) };
      this.#kept.set(rle, shape);
    }
    return shape;
  }
}
