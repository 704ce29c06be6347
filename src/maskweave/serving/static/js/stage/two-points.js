// A gesture that gives two points: one drag, or two taps.

/** Calls `done(from, to)` once both points are there and `changed()` when what is to be drawn did. */
export class TwoPoints {
  canDrag = true;
  from = null;
  to = null;

  #done;
  #changed;

  constructor({ done, changed }) {
    this.#done = done;
    this.#changed = changed;
  }

  tap(x, y) {
    if (this.from) this.#finish(x, y);
    else this.#put([x, y], [x, y]);
  }

  hover(x, y) {
    if (this.from) this.#put(this.from, [x, y]);
  }

  dragStart(x, y) {
    this.#put([x, y], [x, y]);
  }

  drag(x, y) {
    this.#put(this.from, [x, y]);
  }

  dragEnd(x, y) {
    this.#finish(x, y);
  }

  /** Forget a first point. Returns whether there was one. */
  drop() {
    const had = this.from !== null;
    this.#put(null, null);
    return had;
  }

  #finish(x, y) {
    const from = this.from;
    this.#put(null, null);
    if (from && (from[0] !== x || from[1] !== y)) this.#done(from, [x, y]);
  }

  #put(from, to) {
    this.from = from;
    this.to = to;
    this.#changed();
  }
}
