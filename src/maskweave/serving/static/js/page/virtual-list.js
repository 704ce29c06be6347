// A list of which only the rows in sight exist: as smooth with ten thousand of them as with ten.

const BEYOND = 6; // rows that are kept above and below those in sight

/**
 * Rows of one height (`--row` in CSS) in `root`, which scrolls, and has one child that holds them. `make(id)` gives a
 * new row with a button, `update(row, item)` brings one up to date. The list is one stop of the Tab key; arrow keys,
 * Home and End move within it.
 */
export class VirtualList {
  #root;
  #list;
  #make;
  #update;
  #items = [];
  #places = new Map(); // id → index
  #rows = new Map(); // id → row, of those that exist
  #current = 0; // the id that Tab leads to
  #range = ""; // the places of the rows that exist

  constructor(root, { make, update }) {
    this.#root = root;
    this.#list = root.firstElementChild;
    this.#make = make;
    this.#update = update;
    root.addEventListener("scroll", () => this.#scroll(), { passive: true });
    new ResizeObserver(() => this.#render()).observe(root);
    this.#list.addEventListener("focusin", (event) => this.#stopAt(idOf(event.target)));
    this.#list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Whether the pointer or the focus is on it: whoever is about to press something does not want it to move. */
  get isInUse() {
    return this.#root.matches(":hover, :focus-within");
  }

  /** The rows that exist, by their ids. */
  get rows() {
    return this.#rows;
  }

  show(items) {
    this.#items = items;
    this.#places = new Map(items.map((item, place) => [item.id, place]));
    if (!this.#places.has(this.#current)) this.#current = items[0]?.id ?? 0;
    this.#list.style.setProperty("--count", String(items.length));
    this.#render();
  }

  /** Bring the rows that exist up to date. */
  refresh() {
    for (const [id, row] of this.#rows) {
      const item = this.#items[this.#places.get(id)];
      if (item) this.#update(row, item); // else it is about to go
    }
  }

  /** Make the row of an item anew, as when something else stood in its place. */
  renew(id) {
    this.#rows.get(id)?.remove();
    this.#rows.delete(id);
    this.#render();
  }

  /** Bring an item into sight without moving the page, and let Tab lead to it. */
  reveal(id) {
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#stopAt(id);
    const height = this.#rowHeight;
    const { scrollTop, clientHeight } = this.#root;
    if (place * height < scrollTop) this.#root.scrollTop = place * height;
    else if ((place + 1) * height > scrollTop + clientHeight) this.#root.scrollTop = (place + 1) * height - clientHeight;
    this.#render();
  }

  focus(id) {
    this.reveal(id);
    this.#rows.get(id)?.querySelector("button")?.focus({ preventScroll: true });
  }

  get #rowHeight() {
    return this.#list.offsetHeight / Math.max(1, this.#items.length) || 1;
  }

  /** The first place in sight, and the one after the last, with some beyond them. */
  #inSight() {
    const height = this.#rowHeight;
    const first = Math.max(0, Math.floor(this.#root.scrollTop / height) - BEYOND);
    return [first, Math.ceil((this.#root.scrollTop + this.#root.clientHeight) / height) + BEYOND];
  }

  /** The items that need a row, in order: those in sight, and the one where Tab leads. */
  #wanted([first, last]) {
    const stop = this.#places.get(this.#current);
    const wanted = this.#items.slice(first, last);
    if (stop === undefined || (stop >= first && stop < last)) return wanted;
    return stop < first ? [this.#items[stop], ...wanted] : [...wanted, this.#items[stop]];
  }

  /** Rows that are there already say what they said. */
  #scroll() {
    if (this.#inSight().join() !== this.#range) this.#render({ isUpdate: false });
  }

  #render({ isUpdate = true } = {}) {
    const focused = document.activeElement;
    const hadFocus = this.#list.contains(focused);
    const range = this.#inSight();
    this.#range = range.join();
    const wanted = this.#wanted(range);
    const ids = new Set(wanted.map((item) => item.id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      this.#rows.delete(id);
      row.remove(); // which may take the focus from it
    }
    wanted.forEach((item, place) => {
      const row = (!isUpdate && this.#rows.get(item.id)) || this.#rowOf(item);
      if (this.#list.children[place] !== row) this.#list.insertBefore(row, this.#list.children[place] ?? null);
    });
    if (!hadFocus || document.activeElement === focused) return;
    if (focused.isConnected) focused.focus({ preventScroll: true });
    else this.#rows.get(this.#current)?.querySelector("button")?.focus({ preventScroll: true });
  }

  #rowOf(item) {
    const row = this.#rows.get(item.id) ?? this.#make(item.id);
    this.#rows.set(item.id, row);
    const place = this.#places.get(item.id);
    row.dataset.id = String(item.id);
    row.style.setProperty("--at", String(place));
    row.setAttribute("aria-posinset", String(place + 1));
    row.setAttribute("aria-setsize", String(this.#items.length));
    this.#update(row, item);
    this.#markStop(item.id, row);
    return row;
  }

  #stopAt(id) {
    if (!id || id === this.#current) return;
    this.#current = id;
    for (const [each, row] of this.#rows) this.#markStop(each, row);
  }

  #markStop(id, row) {
    row.querySelectorAll("button").forEach((button, place) => {
      button.tabIndex = id === this.#current && place === 0 ? 0 : -1;
    });
  }

  #key(event) {
    const place = this.#places.get(this.#current) ?? 0;
    const to = { ArrowUp: place - 1, ArrowDown: place + 1, Home: 0, End: this.#items.length - 1 }[event.key];
    if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (to !== undefined) this.focus(this.#items[Math.min(Math.max(to, 0), this.#items.length - 1)].id);
    else if (!moveWithin(event)) return;
    event.preventDefault();
  }
}

/** The arrow keys to the sides move among the buttons of one row; whether there was one to move to. */
function moveWithin({ key, target }) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
  const buttons = [...target.closest("li").querySelectorAll("button")];
  const next = step ? buttons[buttons.indexOf(target) + step] : null;
  next?.focus();
  return Boolean(next);
}

function idOf(element) {
  return Number(element.closest("[data-id]")?.dataset.id ?? 0);
}
