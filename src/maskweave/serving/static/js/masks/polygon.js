// Polygons of masks: fewer corners for a hand to move, and the pixels that they enclose.

import { differenceOf } from "./brush.js";
import { unionOf } from "./rle.js";

/**
 * The pixels of an image of `size` [height, width] whose centers a ring [[x, y], …] encloses, by the even-odd rule; a
 * center on its border belongs to it where the ring lies right of it or below. The library's rule (ops/polygons.py).
 */
export function ringSpans(ring, [height, width]) {
  const [top, bottom] = [Math.min(...ring.map(([, y]) => y)), Math.max(...ring.map(([, y]) => y))];
  const first = Math.max(0, Math.ceil(top - 0.5));
  const last = Math.min(height, Math.ceil(bottom - 0.5));
  const columns = new Map(); // column → [start, end, …] of runs
  for (let row = first; row < last; row += 1) {
    const crossings = crossingsOf(ring, row + 0.5).map((x) => Math.min(width, Math.max(0, Math.ceil(x - 0.5))));
    crossings.sort((one, other) => one - other);
    for (let at = 0; at + 1 < crossings.length; at += 2) {
      for (let column = crossings[at]; column < crossings[at + 1]; column += 1) addRow(columns, column, column * height + row);
    }
  }
  const inOrder = [...columns].sort((one, other) => one[0] - other[0]);
  return unionOf(inOrder.map(([, runs]) => Uint32Array.from(runs)));
}

/** Where the edges of a ring cross the row whose centers are at `y`. */
function crossingsOf(ring, y) {
  const found = [];
  ring.forEach(([x1, y1], place) => {
    const [x2, y2] = ring[(place + 1) % ring.length];
    if (y1 <= y === y2 <= y) return;
    const [upperX, upperY, lowerX, lowerY] = y1 <= y2 ? [x1, y1, x2, y2] : [x2, y2, x1, y1];
    found.push(upperX + ((y - upperY) / (lowerY - upperY)) * (lowerX - upperX));
  });
  return found;
}

function addRow(columns, column, pixel) {
  const runs = columns.get(column) ?? [];
  if (runs.at(-1) === pixel) runs[runs.length - 1] = pixel + 1;
  else runs.push(pixel, pixel + 1);
  columns.set(column, runs);
}

/** The mask when one of its rings becomes another: only what lies between the two changes. `isHole`: of the ring. */
export function reshaped(spans, before, after, size, { isHole = false } = {}) {
  const [old, now] = [before, after].map((ring) => ringSpans(ring, size));
  const [added, removed] = [differenceOf(now, old), differenceOf(old, now)];
  return isHole ? unionOf([differenceOf(spans, added), removed]) : unionOf([differenceOf(spans, removed), added]);
}

/**
 * The rings of an outline's loops [x, y, x, y, …] with as few corners as keep it within `tolerance` pixels
 * (Douglas-Peucker): [{points, isHole}].
 */
export function ringsOf(loops, tolerance) {
  return loops.map((loop) => {
    const points = Array.from({ length: loop.length / 2 }, (_, place) => [loop[2 * place], loop[2 * place + 1]]);
    return { points: simplified(points, tolerance), isHole: areaOf(points) < 0 };
  });
}

function areaOf(points) {
  return points.reduce((sum, [x, y], place) => {
    const [nextX, nextY] = points[(place + 1) % points.length];
    return sum + (x * nextY - nextX * y) / 2;
  }, 0);
}

/** A closed ring, cut at two points far apart, which are likely to be corners; never fewer than three points. */
function simplified(ring, tolerance) {
  const middle = [0, 1].map((axis) => ring.reduce((sum, point) => sum + point[axis], 0) / ring.length);
  const start = farthestFrom(ring, middle);
  const points = [...ring.slice(start), ...ring.slice(0, start)];
  const far = farthestFrom(points, points[0]);
  const halves = [points.slice(0, far + 1), [...points.slice(far), points[0]]];
  const fewer = halves.flatMap((half) => reduced(half, tolerance).slice(0, -1));
  return fewer.length >= 3 ? fewer : points;
}

function reduced(points, tolerance) {
  const kept = new Uint8Array(points.length);
  kept[0] = kept[points.length - 1] = 1;
  const open = [[0, points.length - 1]];
  while (open.length) {
    const [from, to] = open.pop();
    const inner = points.slice(from + 1, to);
    const { place, value } = farthest(inner, (point) => distanceToEdge(point, points[from], points[to]));
    if (!inner.length || value <= tolerance) continue;
    const middle = from + 1 + place;
    kept[middle] = 1;
    open.push([from, middle], [middle, to]);
  }
  return points.filter((_, place) => kept[place]);
}

function farthestFrom(points, [x, y]) {
  return farthest(points, (point) => Math.hypot(point[0] - x, point[1] - y)).place;
}

function farthest(points, valueOf) {
  let best = { place: 0, value: -1 };
  points.forEach((point, place) => {
    const value = valueOf(point);
    if (value > best.value) best = { place, value };
  });
  return best;
}

/** How far a point lies from the edge between two others. */
export function distanceToEdge([x, y], [x1, y1], [x2, y2]) {
  const [dx, dy] = [x2 - x1, y2 - y1];
  const length = dx * dx + dy * dy;
  const share = length ? Math.min(1, Math.max(0, ((x - x1) * dx + (y - y1) * dy) / length)) : 0;
  return Math.hypot(x - x1 - share * dx, y - y1 - share * dy);
}
