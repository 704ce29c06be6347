// What a round brush covers, as spans.

import { unionOf } from "./rle.js";

/**
 * The pixels of an image of `size` [height, width] whose centers lie within `radius` of a way through `points`
 * [[x, y], …].
 */
export function strokeSpans(points, radius, size) {
  const pieces = points.slice(1).map((to, place) => capsuleSpans(points[place], to, radius, size));
  return unionOf(pieces.length ? pieces : [capsuleSpans(points[0], points[0], radius, size)]);
}

/** What lies in `spans` but not in `others`. */
export function differenceOf(spans, others) {
  const left = [];
  let next = 0;
  for (let at = 0; at < spans.length; at += 2) {
    let start = spans[at];
    const end = spans[at + 1];
    while (next < others.length && others[next + 1] <= start) next += 2;
    for (let cut = next; cut < others.length && others[cut] < end; cut += 2) {
      if (others[cut] > start) left.push(start, others[cut]);
      start = Math.max(start, others[cut + 1]);
    }
    if (start < end) left.push(start, end);
  }
  return Uint32Array.from(left);
}

/** A disc that is drawn from one point to another is convex: each column holds one run of it. */
function capsuleSpans(from, to, radius, [height, width]) {
  const spans = [];
  const first = Math.max(0, Math.floor(Math.min(from[0], to[0]) - radius));
  const last = Math.min(width - 1, Math.ceil(Math.max(from[0], to[0]) + radius));
  for (let column = first; column <= last; column += 1) {
    const x = column + 0.5;
    const parts = [discAt(from, radius, x), discAt(to, radius, x), bandAt(from, to, radius, x)].filter(Boolean);
    if (!parts.length) continue;
    const top = Math.max(0, Math.ceil(Math.min(...parts.map(([low]) => low)) - 0.5));
    const bottom = Math.min(height - 1, Math.floor(Math.max(...parts.map(([, high]) => high)) - 0.5));
    if (top <= bottom) spans.push(column * height + top, column * height + bottom + 1);
  }
  return Uint32Array.from(spans);
}

/** [low, high] of y in which the vertical at `x` lies in the disc; null where it does not. */
function discAt([middle, y], radius, x) {
  const half = radius ** 2 - (x - middle) ** 2;
  return half < 0 ? null : [y - Math.sqrt(half), y + Math.sqrt(half)];
}

/** The same for the rectangle between the two discs. */
function bandAt([x1, y1], [x2, y2], radius, x) {
  const [dx, dy] = [x2 - x1, y2 - y1];
  const length = Math.hypot(dx, dy);
  if (!length) return null;
  const along = between(dy, dx * (x - x1) - dy * y1, 0, length ** 2);
  const across = between(dx, -dy * (x - x1) - dx * y1, -radius * length, radius * length);
  const [low, high] = [Math.max(along[0], across[0]), Math.min(along[1], across[1])];
  return low <= high ? [low, high] : null;
}

/** [low, high] of y for which slope * y + offset lies between `min` and `max`. */
function between(slope, offset, min, max) {
  if (slope === 0) return offset >= min && offset <= max ? [-Infinity, Infinity] : [Infinity, -Infinity];
  const ends = [(min - offset) / slope, (max - offset) / slope];
  return [Math.min(...ends), Math.max(...ends)];
}
