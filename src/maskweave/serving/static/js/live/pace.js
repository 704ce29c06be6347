// How many frames a second are shown, and how long after they were taken.

const SPAN = 2000; // milliseconds that are looked back on

/** The pace of what is shown, in milliseconds of performance.now(). */
export class Pace {
  #shown = []; // [when it was shown, when it was taken or null]

  /** A frame that was taken at `capturedAt` (null where nobody knows) is shown now. */
  add(capturedAt, now = performance.now()) {
    this.#shown.push([now, capturedAt]);
    while (this.#shown[0][0] < now - SPAN) this.#shown.shift();
  }

  clear() {
    this.#shown = [];
  }

  /** Frames a second. */
  get rate() {
    if (this.#shown.length < 2) return 0;
    const first = this.#shown[0][0];
    const last = this.#shown[this.#shown.length - 1][0];
    return (1000 * (this.#shown.length - 1)) / Math.max(1, last - first);
  }

  /** Milliseconds behind, the median; null where nobody knows. */
  get behind() {
    const late = this.#shown.filter(([, capturedAt]) => capturedAt !== null).map(([now, capturedAt]) => now - capturedAt);
    return late.length ? late.sort((one, other) => one - other)[late.length >> 1] : null;
  }

  /** "24 frames/s · 85 ms behind" */
  get words() {
    if (this.#shown.length < 2) return "";
    const behind = this.behind === null ? "" : ` · ${Math.round(this.behind)} ms behind`;
    return `${Math.round(this.rate)} frames/s${behind}`;
  }
}
