// A video's tracks file (YouTube-VIS layout, see outputs/tracks.py): which objects each frame has.

const SAME_FRAME = 0.001; // seconds that a player's clock may differ from the file's
const JOINED = 0.3; // seconds; shorter absences are not drawn in the timeline

/** Reads the JSON document; frames are numbered from 0, times are seconds. */
export class Tracks {
  #byId;

  constructor(document) {
    const [video] = document.videos;
    this.size = [video.height, video.width];
    this.times = video.times_seconds;
    this.counts = document.counts ?? { lines: [], zones: [] };
    const names = new Map(document.categories.map(({ id, name }) => [id, name]));
    this.items = document.annotations.map((track) => this.#item(track, names.get(track.category_id)));
    this.#byId = new Map(document.annotations.map((track) => [track.track_id, track]));
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

  /** The object `id` in a frame: {rle, box [x1, y1, x2, y2], score}, or null where it is not seen. */
  sighting(id, frame) {
    const track = this.#byId.get(id);
    const rle = track?.segmentations[frame];
    if (!rle) return null;
    const [x, y, width, height] = track.bboxes[frame];
    return { rle, box: [x, y, x + width, y + height], score: track.scores?.[frame] ?? track.score };
  }

  /** A line's crossings up to `frame`: {forward, backward}. */
  crossings(name, frame) {
    const events = this.counts.lines.find((line) => line.name === name)?.crossings;
    if (!events) return null;
    const past = events.filter((event) => event.frame <= frame);
    const count = (direction) => past.filter((event) => event.direction === direction).length;
    return { forward: count("forward"), backward: count("backward") };
  }

  /** How many objects stand in a zone in `frame`, and how many have done so in all. */
  presence(name, frame) {
    const zone = this.counts.zones.find((each) => each.name === name);
    return zone ? { inside: zone.inside[frame] ?? 0, seen: zone.seen } : null;
  }

  #item(track, name) {
    const frames = [];
    track.segmentations.forEach((rle, frame) => rle && frames.push(frame));
    return {
      id: track.track_id,
      class: name,
      score: track.score,
      first: frames[0] ?? 0,
      count: frames.length,
      stretches: this.#stretches(frames),
    };
  }

  /** [[start, end], …] in seconds: when an object that is seen in `frames` is there. */
  #stretches(frames) {
    const found = [];
    for (const frame of frames) {
      const start = this.times[frame];
      const end = this.times[frame + 1] ?? start + (start - (this.times[frame - 1] ?? start));
      const last = found[found.length - 1];
      if (last && start - last[1] <= JOINED) last[1] = end;
      else found.push([start, end]);
    }
    return found;
  }
}
