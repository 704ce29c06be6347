// From exact spans to a bitmap of the size that is shown.

import { boxOf } from "./rle.js";

/** @typedef {{x: number, y: number, width: number, height: number, data: Uint8Array}} Crop
 *  A bitmap (row by row, 1 is object) cut to its extent, and the corner where it lies. */

const NOTHING = { x: 0, y: 0, width: 0, height: 0, data: new Uint8Array(0) };

/**
 * The mask as a bitmap of the image scaled by `scale` (0 < scale <= 1), each pixel taken at its center.
 * An object too thin to be met by any center keeps one pixel, so that it can still be seen and pointed at.
 */
export function rasterise(spans, size, scale = 1) {
  const [height, width] = size;
  const box = boxOf(spans, height);
  if (!box) return NOTHING;
  const crop = emptyCrop(box, scale);
  let first = 0; // spans before it end left of the column
  let met = false;
  for (let column = 0; column < crop.width; column += 1) {
    const start = Math.min(Math.floor((column + crop.x + 0.5) / scale), width - 1) * height;
    while (first < spans.length && spans[first + 1] <= start) first += 2;
    for (let at = first; at < spans.length && spans[at] < start + height; at += 2) {
      const from = rowAfter(Math.max(spans[at] - start, 0), scale) - crop.y;
      const until = Math.min(rowAfter(Math.min(spans[at + 1] - start, height), scale) - crop.y, crop.height);
      for (let row = Math.max(from, 0); row < until; row += 1) crop.data[row * crop.width + column] = 1;
      met ||= until > from;
    }
  }
  if (!met) crop.data[(crop.height >> 1) * crop.width + (crop.width >> 1)] = 1;
  return crop;
}

function emptyCrop([x1, y1, x2, y2], scale) {
  const [x, y] = [Math.floor(x1 * scale), Math.floor(y1 * scale)];
  const [width, height] = [Math.ceil(x2 * scale) - x, Math.ceil(y2 * scale) - y];
  return { x, y, width, height, data: new Uint8Array(width * height) };
}

/** The first shown row whose center lies at or below `row` of the image. */
function rowAfter(row, scale) {
  return Math.ceil(row * scale - 0.5);
}
