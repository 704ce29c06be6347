// Counting at lines and in zones: the rule of the library (counting.py), on the tracks that are shown.
//
// An object is where it stands: the middle of the lower edge of its mask's box. It crosses a line when it has stood clear of it on
// one side for some frames and then on the other, its way having cut the line between its ends; once a direction.

import { boxOf, spansOf } from "../masks/rle.js";

const STANDING = 3; // frames that an object must stand on a side of a line

const stood = new WeakMap(); // RLE → where its object stands

/**
 * @typedef {{kind: "line"|"zone", name: string, points: [number, number][]}} Counter  in pixels of the tracks
 * @typedef {{crossings: {frame: number, id: number, side: 1|-1}[]}} LineCount  side 1 is forward
 * @typedef {{inside: number[], seen: number[]}} ZoneCount  per frame: objects in it, and different ones up to then
 */

/** What `tracks` (of which the shown ones count) do at a counter. */
export function count(counter, tracks) {
  return counter.kind === "line" ? countLine(counter, tracks) : countZone(counter, tracks);
}

/** A line's crossings up to `frame`: {forward, backward}. */
export function crossingsUntil({ crossings }, frame) {
  const past = crossings.filter((event) => event.frame <= frame);
  const forward = past.filter((event) => event.side > 0).length;
  return { forward, backward: past.length - forward };
}

/** Pixels from a line at which an object is clear of it: 0.5 % of the diagonal, at least 1. `size` [height, width]. */
export function clearance([height, width]) {
  return Math.max(1, 0.005 * Math.hypot(height, width));
}

function countLine({ points }, tracks) {
  const margin = clearance(tracks.size);
  const crossings = tracks.shown.flatMap((track) =>
    crossingsOf(track, points, margin).map(([frame, side]) => ({ frame, id: track.id, side })),
  );
  return { crossings: crossings.sort((one, other) => one.frame - other.frame) };
}

/** [[frame, side], …] of one track at a line. */
function crossingsOf({ frames, sightings }, points, margin) {
  const found = [];
  let former = null; // [distance, along] of the last frame
  let cut = NaN; // where along the line the way went over last
  let [clearOn, standing, stoodOn] = [0, 0, 0];
  sightings.forEach((sighting, place) => {
    const [distance, along] = placeAt(points, standingPoint(sighting));
    const [before, alongBefore] = former ?? [distance, along];
    if (Math.min(before, distance) <= 0 && Math.max(before, distance) >= 0 && before !== distance) {
      cut = alongBefore + (before / (before - distance)) * (along - alongBefore);
    }
    former = [distance, along];
    const side = Math.abs(distance) < margin ? 0 : Math.sign(distance);
    if (!side) return;
    standing = side === clearOn ? standing + 1 : 1;
    clearOn = side;
    if (standing < STANDING || side === stoodOn) return;
    const isNew = stoodOn && cut >= 0 && cut <= 1 && !found.some((event) => event[1] === side);
    if (isNew) found.push([frames[place], side]);
    stoodOn = side;
  });
  return found;
}

/** [pixels right of the line, share of its length along it] of a point. */
function placeAt([[x1, y1], [x2, y2]], [x, y]) {
  const [dx, dy, px, py] = [x2 - x1, y2 - y1, x - x1, y - y1];
  const length = Math.hypot(dx, dy);
  return [(dx * py - dy * px) / length, (dx * px + dy * py) / length ** 2];
}

function countZone({ points }, tracks) {
  const inside = new Array(tracks.times.length).fill(0);
  const seen = new Array(tracks.times.length).fill(0);
  for (const { frames, sightings } of tracks.shown) {
    let isKnown = false;
    sightings.forEach((sighting, place) => {
      if (!holds(points, standingPoint(sighting))) return;
      inside[frames[place]] += 1;
      if (!isKnown) seen[frames[place]] += 1;
      isKnown = true;
    });
  }
  for (let frame = 1; frame < seen.length; frame += 1) seen[frame] += seen[frame - 1];
  return { inside, seen };
}

function standingPoint({ rle, box }) {
  if (!stood.has(rle)) {
    const [x1, , x2, y2] = boxOf(spansOf(rle), rle.size[0]) ?? box;
    stood.set(rle, [(x1 + x2) / 2, y2]);
  }
  return stood.get(rle);
}

/** Whether a polygon holds a point; its border belongs to it. */
function holds(points, [x, y]) {
  let isInside = false;
  for (const [place, [x1, y1]] of points.entries()) {
    const [x2, y2] = points[(place + 1) % points.length];
    const turn = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1);
    const isBeside = (x - x1) * (x - x2) <= 0 && (y - y1) * (y - y2) <= 0;
    if (turn === 0 && isBeside) return true;
    if (y1 > y !== y2 > y && x < x1 + ((y - y1) / (y2 - y1)) * (x2 - x1)) isInside = !isInside;
  }
  return isInside;
}
