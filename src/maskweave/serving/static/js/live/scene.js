// What is shown of a live video, and before which ground.

/** @typedef {import("./background.js").Ground} Ground */

/** The choices of one live video. Event: "change". */
export class Scene extends EventTarget {
  /** @type {Ground} */
  ground = { kind: "none", color: "#1d6b52", image: null };
  keeps = ""; // the class that stays before the ground; "" keeps all that is shown
  hasMarks = true; // masks and names

  #classNames = [];
  #hiddenClasses = new Set();

  /** The classes that the model knows. */
  set classNames(names) {
    this.#classNames = names;
  }

  /** Change some of `ground`, `keeps`, `hasMarks`. */
  set(changes) {
    Object.assign(this, changes);
    this.dispatchEvent(new Event("change"));
  }

  placeOf(name) {
    return Math.max(0, this.#classNames.indexOf(name));
  }

  isShown(object) {
    return !this.#hiddenClasses.has(object.class);
  }

  isClassShown(name) {
    return !this.#hiddenClasses.has(name);
  }

  toggleClass(name) {
    if (!this.#hiddenClasses.delete(name)) this.#hiddenClasses.add(name);
    this.dispatchEvent(new Event("change"));
  }

  /** Whether an object stays where the ground is another one. */
  isKept(object) {
    return !this.keeps || object.class === this.keeps;
  }
}
