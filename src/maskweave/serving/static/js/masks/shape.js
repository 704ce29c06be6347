// What drawing and pointing need of a mask, made once and kept for a while.

import { loopsOf, pathOf } from "./outline.js";
import { rasterise } from "./raster.js";
import { spansOf } from "./rle.js";

const MAX_SHOWN_SIDE = 4096; // pixels of the longer side; beyond it masks are scaled for display

/** The scale at which an image of `size` [height, width] is shown before zoom: 1, or less for a huge one. */
export function displayScale(size, maxSide = MAX_SHOWN_SIDE) {
  return Math.min(1, maxSide / Math.max(size[0], size[1], 1));
}

/** Shapes of one image's masks, by their RLE objects; those that were not used for longest are forgotten. */
export class Shapes {
  #kept = new Map();
  #maxKept;

  /** `maxKept`: how many are kept. */
  constructor(size, { maxSide = MAX_SHOWN_SIDE, maxKept = Infinity } = {}) {
    this.scale = displayScale(size, maxSide);
    this.#maxKept = maxKept;
  }

  /** {spans, crop, path}: `crop` and `path` in pixels of the scaled image. */
  of(rle) {
    const shape = this.#kept.get(rle) ?? this.#made(rle);
    this.#kept.delete(rle); // and to the end, where the youngest are
    this.#kept.set(rle, shape);
    if (this.#kept.size > this.#maxKept) this.#kept.delete(this.#kept.keys().next().value);
    return shape;
  }

  #made(rle) {
    const spans = spansOf(rle);
    const crop = rasterise(spans, rle.size, this.scale);
    return { spans, crop, path: pathOf(loopsOf(crop)) };
  }
}
