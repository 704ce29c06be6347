// What was found and what of it is shown: the ground that pictures and videos share.

/**
 * Items {id, class, score, …} with a filter and a selection. Events: "items" when the items changed, "filter" when
 * what is shown of them did, "selection", "hover".
 */
export class Findings extends EventTarget {
  #items = [];
  #selected = new Set();
  #hovered = 0;
  #leastScore;
  #hiddenClasses = new Set();

  constructor(items, leastScore) {
    super();
    this.#items = items;
    this.#leastScore = leastScore;
  }

  get items() {
    return this.#items;
  }

  get leastScore() {
    return this.#leastScore;
  }

  get hovered() {
    return this.#hovered;
  }

  /** The items that pass the filter; one without a score was made by hand and always does. */
  get shown() {
    return this.#items.filter((item) => this.isShown(item));
  }

  /** The selected items that are shown, in the order of the items. */
  get selected() {
    return this.shown.filter((item) => this.#selected.has(item.id));
  }

  /** What actions are about: the selected items, or all that are shown. */
  get chosen() {
    const selected = this.selected;
    return selected.length ? selected : this.shown;
  }

  isShown(item) {
    const isSure = item.score === null || item.score >= this.#leastScore;
    return isSure && !this.#hiddenClasses.has(item.class);
  }

  isSelected(id) {
    return this.#selected.has(id);
  }

  isClassShown(name) {
    return !this.#hiddenClasses.has(name);
  }

  item(id) {
    return this.#items.find((item) => item.id === id);
  }

  setLeastScore(score) {
    this.#leastScore = score;
    this.#tell("filter");
  }

  toggleClass(name) {
    if (!this.#hiddenClasses.delete(name)) this.#hiddenClasses.add(name);
    this.#tell("filter");
  }

  /** Select one item, or with `add` put it to the selection or take it away; id 0 selects none. */
  select(id, { add = false } = {}) {
    const before = this.#selected;
    if (add && id) {
      this.#selected = new Set(before);
      if (!this.#selected.delete(id)) this.#selected.add(id);
    } else {
      const isAlone = before.size === 1 && before.has(id);
      this.#selected = new Set(id && !isAlone ? [id] : []);
    }
    this.#tell("selection");
  }

  /** Select exactly these. */
  selectAll(ids) {
    this.#selected = new Set(ids);
    this.#tell("selection");
  }

  /** Select the shown item `step` places after the selected one. */
  selectNext(step) {
    const shown = this.shown;
    if (!shown.length) return;
    const at = shown.findIndex((item) => this.#selected.has(item.id));
    const next = at < 0 ? (step > 0 ? 0 : shown.length - 1) : (at + step + shown.length) % shown.length;
    this.selectAll([shown[next].id]);
  }

  hover(id) {
    if (id === this.#hovered) return;
    this.#hovered = id;
    this.#tell("hover");
  }

  /** For those who build upon this: put other items in the place of these. */
  replaceItems(items) {
    this.#items = items;
    this.#tell("items");
  }

  #tell(what) {
    this.dispatchEvent(new Event(what));
  }
}
