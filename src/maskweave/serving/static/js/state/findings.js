// What was found and what of it is shown: the ground that images and videos share.

const ORDERS = {
  found: () => 0,
  class: (one, other) => one.class.localeCompare(other.class),
  score: (one, other) => (other.score ?? 2) - (one.score ?? 2), // made by hand: first
  size: (one, other) => sizeOf(other) - sizeOf(one),
};

/**
 * Items {id, class, score, …} with a filter and a selection. Events: "items" when the items changed, "filter" when
 * what is shown of them did, "selection", "hover".
 */
export class Findings extends EventTarget {
  #items = [];
  #shown = null; // until something changes
  #selected = new Set();
  #hovered = 0;
  #minScore;
  #hiddenClasses;
  #hidden = new Set();
  #locked = new Set();
  #search = "";
  #order = "found";

  constructor(items, minScore, hiddenClasses = []) {
    super();
    this.#hiddenClasses = new Set(hiddenClasses);
    this.#items = items;
    this.#minScore = minScore;
  }

  get items() {
    return this.#items;
  }

  get minScore() {
    return this.#minScore;
  }

  get hiddenClasses() {
    return [...this.#hiddenClasses];
  }

  get order() {
    return this.#order;
  }

  get hovered() {
    return this.#hovered;
  }

  /** The items that pass the filter, in the chosen order; one without a score was made by hand and always passes. */
  get shown() {
    this.#shown ??= this.#items.filter((item) => this.isShown(item)).sort(ORDERS[this.#order]);
    return this.#shown;
  }

  /** The items that pass the filter, and those that were hidden one by one: what a list can bring back. */
  get listed() {
    return this.#items.filter((item) => this.#passes(item)).sort(ORDERS[this.#order]);
  }

  /** The selected items that are shown, in the order of the items. */
  get selected() {
    return this.#selected.size ? this.shown.filter((item) => this.#selected.has(item.id)) : [];
  }

  /** What is meant when nothing else is said: the selected items, or all that are shown. */
  get chosen() {
    const selected = this.selected;
    return selected.length ? selected : this.shown;
  }

  isShown(item) {
    return this.#passes(item) && !this.#hidden.has(item.id);
  }

  isSelected(id) {
    return this.#selected.has(id);
  }

  isHidden(id) {
    return this.#hidden.has(id);
  }

  isLocked(id) {
    return this.#locked.has(id);
  }

  isClassShown(name) {
    return !this.#hiddenClasses.has(name);
  }

  item(id) {
    return this.#items.find((item) => item.id === id);
  }

  setMinScore(score) {
    this.#minScore = score;
    this.#emit("filter");
  }

  /** Show only what has `text` in its class or number. */
  search(text) {
    this.#search = text.trim().toLowerCase();
    this.#emit("filter");
  }

  /** `order`: "found", "class", "score" or "size". */
  sort(order) {
    this.#order = order;
    this.#emit("filter");
  }

  /** Hide exactly these classes. */
  hideClasses(names) {
    this.#hiddenClasses = new Set(names);
    this.#emit("filter");
  }

  toggleClass(name) {
    toggle(this.#hiddenClasses, name);
    this.#emit("filter");
  }

  /** Hide what is shown of these, or show them again where none is. */
  toggleHidden(ids) {
    const isAnyShown = ids.some((id) => !this.#hidden.has(id));
    for (const id of ids) isAnyShown ? this.#hidden.add(id) : this.#hidden.delete(id);
    this.#emit("filter");
  }

  /** Hide everything but these; everything is shown again for none, and where that is so already. */
  solo(ids) {
    const others = this.#items.map((item) => item.id).filter((id) => !ids.includes(id));
    const isSolo = others.length === this.#hidden.size && others.every((id) => this.#hidden.has(id));
    this.#hidden = new Set(isSolo || !ids.length ? [] : others);
    this.#emit("filter");
  }

  /** Lock these against changes and against being selected on the image, or free them where all are locked. */
  toggleLocked(ids) {
    const isAnyFree = ids.some((id) => !this.#locked.has(id));
    for (const id of ids) isAnyFree ? this.#locked.add(id) : this.#locked.delete(id);
    this.#emit("filter");
  }

  /** Select one item, or with `add` put it to the selection or take it away; id 0 selects none. */
  select(id, { add = false } = {}) {
    const before = this.#selected;
    if (add && id) {
      this.#selected = new Set(before);
      toggle(this.#selected, id);
    } else {
      const isAlone = before.size === 1 && before.has(id);
      this.#selected = new Set(id && !isAlone ? [id] : []);
    }
    this.#emit("selection");
  }

  /** Select exactly these. */
  selectAll(ids) {
    this.#selected = new Set(ids);
    this.#emit("selection");
  }

  /** Select the shown item `step` places after the selected one, and return it. */
  selectNext(step) {
    const shown = this.shown;
    if (!shown.length) return null;
    const at = shown.findIndex((item) => this.#selected.has(item.id));
    const next = at < 0 ? (step > 0 ? 0 : shown.length - 1) : (at + step + shown.length) % shown.length;
    this.selectAll([shown[next].id]);
    return shown[next];
  }

  hover(id) {
    if (id === this.#hovered) return;
    this.#hovered = id;
    this.#emit("hover");
  }

  /** For those who build upon this: put other items in the place of these. */
  replaceItems(items) {
    this.#items = items;
    this.#emit("items");
  }

  #passes(item) {
    const isSure = item.score === null || item.score >= this.#minScore;
    if (!isSure || this.#hiddenClasses.has(item.class)) return false;
    return !this.#search || `${item.class} ${item.id}`.toLowerCase().includes(this.#search);
  }

  #emit(what) {
    if (what === "items" || what === "filter") this.#shown = null;
    this.dispatchEvent(new Event(what));
  }
}

function toggle(set, value) {
  if (!set.delete(value)) set.add(value);
}

/** Pixels of an object, frames of a track. */
function sizeOf(item) {
  return item.area ?? item.count ?? 0;
}
