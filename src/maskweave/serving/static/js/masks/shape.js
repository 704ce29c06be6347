// What drawing and pointing need of a mask, made once and kept for a while.

import { loopsOf, pathOf } from "./outline.js";
import { rasterise } from "./raster.js";
import { spansOf } from "./rle.js";

const LONGEST_SHOWN = 4096; // pixels of the longer side; beyond it masks are scaled for display

/** The scale at which a picture of `size` [height, width] is shown before zoom: 1, or less for a huge one. */
export function displayScale(size, longest = LONGEST_SHOWN) {
  return Math.min(1, longest / Math.max(size[0], size[1], 1));
}

/** Shapes of one picture's masks, by their RLE objects; those that were not used for longest are forgotten. */
export class Shapes {
  #kept = new Map();
  #most;

  /** `most`: how many are kept. */
  constructor(size, { longest = LONGEST_SHOWN, most = Infinity } = {}) {
    this.scale = displayScale(size, longest);
    this.#most = most;
  }

  /** {spans, crop, path}: `crop` and `path` in pixels of the scaled picture. */
  of(rle) {
    const shape = this.#kept.get(rle) ?? this.#made(rle);
    this.#kept.delete(rle); // and to the end, where the youngest are
    this.#kept.set(rle, shape);
    if (this.#kept.size > this.#most) this.#kept.delete(this.#kept.keys().next().value);
    return shape;
  }

  #made(rle) {
    const spans = spansOf(rle);
    const crop = rasterise(spans, rle.size, this.scale);
    return { spans, crop, path: pathOf(loopsOf(crop)) };
  }
}
