// A video's tracks: what each frame has, and every change that a person makes to them.

import { Edits } from "../state/edits.js";
import { Findings } from "../state/findings.js";

const SAME_FRAME = 0.001; // seconds that a player's clock may differ from the file's
const JOINED = 0.3; // seconds; shorter absences are not drawn in the timeline

/**
 * @typedef {{rle: Rle, box: number[], score: number|null, prompts?: Prompts}} Sighting  box is [x1, y1, x2, y2]
 * @typedef {{id: number, class: string, score: number|null, frames: number[], sightings: Sighting[], first: number,
 *   count: number, stretches: [number, number][]}} Track
 *   `frames` are the numbers of the frames, rising, that `sightings` are of; `stretches` are seconds.
 */

/**
 * The tracks of one video as findings. Frames are numbered from 0, times are seconds of the player: of the source, or
 * of the overlay that the server made.
 */
export class Tracks extends Findings {
  #edits = new Edits([]);
  #byFrame = null; // frame → [[track, sighting], …], until something changes

  constructor({ size, minScore }) {
    super([], minScore);
    this.size = size;
    this.times = [];
  }

  get canUndo() {
    return this.#edits.canUndo;
  }

  get canRedo() {
    return this.#edits.canRedo;
  }

  /** What a frame has: [[track, sighting], …], also what the filter hides. */
  at(frame) {
    this.#byFrame ??= indexOf(this.items, this.times.length);
    return this.#byFrame[frame] ?? [];
  }

  /** The track `id` in a frame, or null where it is not seen. */
  sighting(id, frame) {
    return this.at(frame).find(([track]) => track.id === id)?.[1] ?? null;
  }

  /** The number of the frame that is shown at `time`. */
  frameAt(time) {
    let low = 0;
    let high = this.times.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.times[middle] <= time + SAME_FRAME) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** A time at which a player shows frame `number`: in the middle of it. */
  timeOf(number) {
    const at = Math.min(Math.max(number, 0), this.times.length - 1);
    const next = this.times[at + 1];
    return next === undefined ? this.times[at] + SAME_FRAME : (this.times[at] + next) / 2;
  }

  /** Take in what a job has found so far: frames in order, each {time, objects: [{id, class, score, box, rle}]}. */
  append(frames) {
    const grown = new Map(this.items.map((track) => [track.id, track]));
    for (const { time, objects } of frames) {
      const frame = this.times.push(time) - 1;
      for (const { id, class: name, score, box, rle } of objects) {
        const track = grown.get(id) ?? { id, class: name, score, frames: [], sightings: [] };
        track.frames.push(frame);
        track.sightings.push({ rle, box, score });
        const mean = track.score + (score - track.score) / track.frames.length;
        grown.set(id, { ...track, score: mean });
      }
    }
    this.begin([...grown.values()]);
  }

  /** Begin with these tracks; there is nothing to undo. */
  begin(tracks) {
    this.#edits = new Edits(tracks.map((track) => this.#described(track)));
    this.replaceItems(this.#edits.now);
  }

  remove(ids) {
    this.#put(this.items.filter((track) => !ids.includes(track.id)));
    this.selectAll([]);
  }

  rename(ids, name) {
    this.#put(this.items.map((track) => (ids.includes(track.id) ? { ...track, class: name } : track)));
  }

  /** Make one track of several: it takes number and name of the first seen. Where two are seen at once, its own stays. */
  merge(ids) {
    const parts = this.items.filter((track) => ids.includes(track.id)).sort((one, other) => one.first - other.first);
    const seen = new Map();
    for (const { frames, sightings } of parts) {
      frames.forEach((frame, place) => seen.has(frame) || seen.set(frame, sightings[place]));
    }
    const inOrder = [...seen].sort((one, other) => one[0] - other[0]);
    const merged = this.#described({
      ...parts[0],
      score: parts.reduce((best, { score }) => (score === null ? best : Math.max(best ?? 0, score)), null),
      frames: inOrder.map(([frame]) => frame),
      sightings: inOrder.map(([, sighting]) => sighting),
    });
    const others = this.items.filter((track) => !ids.includes(track.id) || track.id === merged.id);
    this.#put(others.map((track) => (track.id === merged.id ? merged : track)));
    this.selectAll([merged.id]);
  }

  /** Cut a track in two before `frame`: what is seen from there on becomes a track of its own. Its id, or 0. */
  cut(id, frame) {
    const track = this.item(id);
    const place = track.frames.findIndex((each) => each >= frame);
    if (place < 1) return 0;
    const next = Math.max(...this.items.map((each) => each.id)) + 1;
    const part = (from, to, number) =>
      this.#described({
        ...track,
        id: number,
        frames: track.frames.slice(from, to),
        sightings: track.sightings.slice(from, to),
      });
    const before = part(0, place, id);
    this.#put([...this.items.map((each) => (each.id === id ? before : each)), part(place, undefined, next)]);
    this.selectAll([next]);
    return next;
  }

  /**
   * Let tracks be seen in `frame` as a person says, `masks`: id → sighting, null where one is not; id 0 makes a new track
   * called `className`. A track that is seen nowhere is gone. Returns the id of the last one.
   */
  draw(frame, masks, className = "object") {
    let last = 0;
    const drawn = new Map(this.items.map((track) => [track.id, track]));
    for (const [id, sighting] of masks) {
      last = id || Math.max(0, ...drawn.keys()) + 1;
      const track = drawn.get(id) ?? { id: last, class: className, score: null, frames: [], sightings: [] };
      drawn.set(last, this.#described(withSighting(track, frame, sighting)));
    }
    this.#put([...drawn.values()].filter((track) => track.count));
    if (masks.has(0)) this.selectAll([last]);
    return last;
  }

  /** Put what is seen of tracks in `others` (id → track) from `frame` on in the place of what was seen of them there. */
  continueFrom(frame, others) {
    const continued = (track) => {
      const other = others.get(track.id);
      if (!other) return track;
      const [until, from] = [track, other].map(({ frames }) => frames.filter((each) => each < frame).length);
      const joined = (name) => [...track[name].slice(0, until), ...other[name].slice(from)];
      return this.#described({ ...track, frames: joined("frames"), sightings: joined("sightings") });
    };
    this.#put(this.items.map(continued));
  }

  undo() {
    this.replaceItems(this.#edits.undo());
  }

  redo() {
    this.replaceItems(this.#edits.redo());
  }

  replaceItems(items) {
    this.#byFrame = null;
    super.replaceItems(items);
  }

  /** The second at which the last frame ends; NaN where there is none. */
  get end() {
    return this.#endOf(this.times.length - 1);
  }

  /** A frame lasts until the next one, and the last one as long as that before it. */
  #endOf(frame) {
    const start = this.times[frame];
    return this.times[frame + 1] ?? start + (start - (this.times[frame - 1] ?? start));
  }

  #put(tracks) {
    this.#edits.put(tracks);
    this.replaceItems(tracks);
  }

  #described(track) {
    return { ...track, first: track.frames[0] ?? 0, count: track.frames.length, stretches: this.#stretches(track) };
  }

  /** [[start, end], …] in seconds: when the object is there. */
  #stretches({ frames }) {
    const found = [];
    for (const frame of frames) {
      const start = this.times[frame];
      const end = this.#endOf(frame);
      const last = found[found.length - 1];
      if (last && start - last[1] <= JOINED) last[1] = end;
      else found.push([start, end]);
    }
    return found;
  }
}

/** The track with another sighting in a frame, or none where it is null. */
function withSighting(track, frame, sighting) {
  const from = track.frames.filter((each) => each < frame).length;
  const until = from + Number(track.frames[from] === frame);
  const joined = (name, added) => [...track[name].slice(0, from), ...(sighting ? [added] : []), ...track[name].slice(until)];
  return { ...track, frames: joined("frames", frame), sightings: joined("sightings", sighting) };
}

function indexOf(tracks, length) {
  const index = Array.from({ length }, () => []);
  for (const track of tracks) {
    track.frames.forEach((frame, place) => index[frame]?.push([track, track.sightings[place]]));
  }
  return index;
}
