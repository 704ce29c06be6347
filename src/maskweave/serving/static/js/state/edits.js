// Undo and redo of whole states; states are never changed in place.

/** A line of states with a place in it. */
export class Edits {
  #past = [];
  #future = [];
  #now;

  constructor(state) {
    this.#now = state;
  }

  get now() {
    return this.#now;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** Go on to `state`; what was undone before is forgotten. */
  put(state) {
    this.#past.push(this.#now);
    this.#future = [];
    this.#now = state;
  }

  undo() {
    if (this.canUndo) this.#future.push(this.#now);
    this.#now = this.#past.pop() ?? this.#now;
    return this.#now;
  }

  redo() {
    if (this.canRedo) this.#past.push(this.#now);
    this.#now = this.#future.pop() ?? this.#now;
    return this.#now;
  }
}
