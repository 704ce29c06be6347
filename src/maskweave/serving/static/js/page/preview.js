// What a click would do, shown before it is made.

const REST = 40; // milliseconds that the pointer rests before anything is asked
const SLOW = 1200; // milliseconds; a server that needs longer has better things to do than to guess

/**
 * One question is at the server at a time, the latest; nothing is broken off there. Answers are of what they were asked
 * for, so a click that comes while its own answer is on its way takes that.
 */
export class Preview {
  #ask;
  #changed;
  #asked = null; // {wish, answer} that is at the server
  #shown = null; // {wish, found}
  #next = null; // the wish after it
  #timer = 0;
  #isSlow = false;

  /** `ask(wish)` is a promise of what is found; `changed()` is called when there is something else to show. */
  constructor({ ask, changed }) {
    this.#ask = ask;
    this.#changed = changed;
  }

  /** The mask to show, {rle, …}, or null. */
  get found() {
    return this.#shown?.found ?? null;
  }

  /** The pointer rests at a place: `wish` is {object, point}. */
  want(wish) {
    if (this.#isSlow || isSame(this.#shown?.wish, wish) || isSame(this.#next, wish)) return;
    this.#next = wish;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#go(), REST);
  }

  /** A promise of what was found for exactly this wish, where it was asked for; else null. Nothing is shown from now on. */
  take(wish) {
    const ready = isSame(this.#shown?.wish, wish) ? Promise.resolve(this.#shown.found) : null;
    const coming = isSame(this.#asked?.wish, wish) ? this.#asked.answer : null;
    this.drop();
    return ready ?? coming;
  }

  /** Show nothing until the pointer moves. Returns whether anything was shown. */
  drop() {
    const had = this.#shown !== null;
    clearTimeout(this.#timer);
    this.#next = null;
    this.#shown = null;
    this.#changed();
    return had;
  }

  async #go() {
    if (this.#asked || !this.#next) return;
    const wish = this.#next;
    const begun = performance.now();
    this.#asked = { wish, answer: this.#ask(wish).catch(() => null) }; // what cannot be found is not shown
    const found = await this.#asked.answer;
    this.#asked = null;
    this.#isSlow = performance.now() - begun > SLOW;
    if (!this.#next) return; // it was dropped
    if (isSame(this.#next, wish)) this.#next = null;
    this.#shown = found?.area ? { wish, found } : null;
    this.#changed();
    this.#go();
  }
}

/** Whether two wishes are about one pixel of one state of an object. */
function isSame(one, other) {
  if (!one || !other) return false;
  return one.object === other.object && one.point.every((value, place) => Math.floor(value) === Math.floor(other.point[place]));
}
