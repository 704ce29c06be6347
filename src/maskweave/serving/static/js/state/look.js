// How results are shown; a choice lasts for the browser.

const KEY = "maskweave.appearance";
const FIRST = { mode: "masks", colorBy: "object", opacity: 0.45, background: "transparent", color: "#ffffff" };

/** mode: "masks", "outlines" or "cutout". background of cut-outs: "transparent", "color" or "blur". */
export class Look extends EventTarget {
  #values = { ...FIRST, ...readStored() };
  compares = false;
  split = 0.5; // where the original ends, from 0 to 1

  get mode() {
    return this.#values.mode;
  }

  get opacity() {
    return this.#values.opacity;
  }

  /** "object" or "class". */
  get colorBy() {
    return this.#values.colorBy;
  }

  get background() {
    return this.#values.background;
  }

  get color() {
    return this.#values.color;
  }

  /** The background as the server's writers name it. */
  get backgroundName() {
    return this.background === "color" ? this.color : this.background;
  }

  set(changes) {
    Object.assign(this.#values, changes);
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#values));
    } catch {
      // a browser that keeps nothing shows all the same
    }
    this.dispatchEvent(new Event("change"));
  }

  compare(on) {
    this.compares = on;
    this.dispatchEvent(new Event("change"));
  }

  moveSplit(split) {
    this.split = Math.min(1, Math.max(0, split));
    this.dispatchEvent(new Event("change"));
  }
}

function readStored() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}
