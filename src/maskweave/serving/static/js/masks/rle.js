// COCO's compressed run-length text, exact at any size of image.
//
// A mask is read column by column; lengths of background and object alternate, background first. Here a mask is its
// *spans*: a Uint32Array start, end, start, end, … of the object's runs in that order, sorted and apart.
// Source: the COCO API, common/maskApi.c (rleToString, rleFrString).

const MORE = 0x20; // further pieces of this number follow
const SIGN = 0x10; // the number is negative (in its last piece)

/** @typedef {{size: [number, number], counts: string}} Rle  size is [height, width] */

/** The run lengths that `text` says; throws RangeError for text that COCO does not write. */
export function expandCounts(text) {
  const counts = [];
  let at = 0;
  while (at < text.length) {
    let value = 0;
    let shift = 0;
    let piece;
    do {
      piece = text.charCodeAt(at++) - 48;
      if (!(piece >= 0 && piece < 64) || shift > 30) throw new RangeError("rle: damaged or cut text");
      value |= (piece & 0x1f) << shift;
      shift += 5;
    } while (piece & MORE);
    if (piece & SIGN && shift < 32) value |= -1 << shift;
    if (counts.length > 2) value += counts[counts.length - 2];
    if (value < 0) throw new RangeError("rle: a run of negative length");
    counts.push(value);
  }
  return counts;
}

/** Run lengths as COCO's text. */
export function compressCounts(counts) {
  const letters = [];
  counts.forEach((count, index) => {
    let value = index > 2 ? count - counts[index - 2] : count;
    let more = true;
    while (more) {
      let piece = value & 0x1f;
      value >>= 5;
      more = piece & SIGN ? value !== -1 : value !== 0;
      if (more) piece |= MORE;
      letters.push(String.fromCharCode(piece + 48));
    }
  });
  return letters.join("");
}

/** The spans of an RLE; throws RangeError when its runs do not fill its size. */
export function spansOf(rle) {
  const counts = typeof rle.counts === "string" ? expandCounts(rle.counts) : rle.counts;
  const [height, width] = rle.size;
  const spans = [];
  let at = 0;
  counts.forEach((count, index) => {
    const objects = index % 2 === 1 && count > 0;
    if (objects && spans.length && spans[spans.length - 1] === at) spans[spans.length - 1] = at + count;
    else if (objects) spans.push(at, at + count);
    at += count;
  });
  if (at !== height * width) throw new RangeError(`rle: runs sum to ${at}, need ${height * width}`);
  return Uint32Array.from(spans);
}

/** Spans as an RLE of `size` [height, width]. */
export function rleOf(spans, size) {
  const total = size[0] * size[1];
  const counts = [];
  let at = 0;
  for (const border of spans) {
    counts.push(border - at);
    at = border;
  }
  if (at < total || !counts.length) counts.push(total - at);
  return { size: [...size], counts: compressCounts(counts) };
}

/** What lies in any of several masks of one image. */
export function unionOf(masks) {
  const pieces = [];
  for (const spans of masks) {
    for (let at = 0; at < spans.length; at += 2) pieces.push([spans[at], spans[at + 1]]);
  }
  pieces.sort((one, other) => one[0] - other[0]);
  const merged = [];
  for (const [start, end] of pieces) {
    const last = merged.length - 1;
    if (last > 0 && start <= merged[last]) merged[last] = Math.max(merged[last], end);
    else merged.push(start, end);
  }
  return Uint32Array.from(merged);
}

/** How many pixels the spans hold. */
export function areaOf(spans) {
  let area = 0;
  for (let at = 0; at < spans.length; at += 2) area += spans[at + 1] - spans[at];
  return area;
}

/** [x1, y1, x2, y2] of the pixels, the end excluded; null for an empty mask. `height` is the image's. */
export function boxOf(spans, height) {
  if (!spans.length) return null;
  let top = height;
  let bottom = 0;
  for (let at = 0; at < spans.length; at += 2) {
    const last = spans[at + 1] - 1;
    const isInOneColumn = Math.floor(spans[at] / height) === Math.floor(last / height);
    top = Math.min(top, isInOneColumn ? spans[at] % height : 0);
    bottom = Math.max(bottom, isInOneColumn ? (last % height) + 1 : height);
  }
  const left = Math.floor(spans[0] / height);
  const right = Math.floor((spans[spans.length - 1] - 1) / height) + 1;
  return [left, top, right, bottom];
}
