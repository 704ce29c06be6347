// The list of objects: the same in words as the masks on the image.

import { find, icon, make } from "../dom.js";
import { css } from "../masks/palette.js";
import { announce } from "../notify.js";
import { counted } from "../words.js";
import { VirtualList } from "./virtual-list.js";

/**
 * Shows the `Findings` it is bound to; `describe(item)` gives the short words behind a name, `colorOf(item)` a color,
 * `hasNumbers` whether objects go by their number, too.
 */
export class ObjectList {
  #root = find("#object-scroller");
  #list = new VirtualList(find("#object-scroller"), {
    make: (id) => this.#newRow(id),
    update: (row, item) => this.#updateRow(row, item),
  });
  #findings = null;
  #options = null;
  #renaming = []; // ids; the row of the first has the field
  #unbind = new AbortController();

  constructor() {
    this.#root.addEventListener("pointerleave", () => this.#findings?.hover(0));
    find("#search").addEventListener("input", (event) => this.#findings?.search(event.target.value));
    find("#search").addEventListener("keydown", (event) => this.#searchKey(event));
    find("#sort").addEventListener("change", (event) => this.#findings?.sort(event.target.value));
  }

  /** `onRename(ids, name)` is called when the user has typed another name. */
  bind(findings, { describe, colorOf, onRename, hasNumbers = false }) {
    this.clear();
    this.#findings = findings;
    this.#options = { describe, colorOf, onRename, hasNumbers };
    find("#sort").value = findings.order;
    const options = { signal: this.#unbind.signal };
    const render = () => this.#render();
    findings.addEventListener("items", render, options);
    findings.addEventListener("filter", render, options);
    findings.addEventListener("selection", () => this.#showSelection(), options);
    findings.addEventListener("hover", () => this.#list.refresh(), options);
    render();
  }

  clear() {
    this.#unbind.abort();
    this.#unbind = new AbortController();
    this.#findings = null;
    this.#renaming = [];
    this.#list.show([]);
    find("#search").value = "";
    find("#object-count").textContent = "";
  }

  /** Show the rows anew, as when colors are others. */
  refresh() {
    if (this.#findings) this.#list.refresh();
  }

  /** Turn the name of an object into a field, for the name of all of `ids`. */
  startRename(ids) {
    const [id] = ids;
    this.#list.reveal(id);
    const row = this.#list.rows.get(id);
    if (!row) return;
    this.#renaming = ids;
    const field = make("input", {
      class: "object__field",
      value: this.#findings.item(id).class,
      list: "class-names",
      "aria-label": ids.length > 1 ? `New name of ${ids.length} objects` : "New name",
      maxlength: "80",
    });
    row.replaceChildren(field);
    field.select();
    field.focus();
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault(); // else it would press the button that gets the focus
        this.#endRename(field.value);
      }
      if (event.key === "Escape") this.#endRename("");
      event.stopPropagation();
    });
    field.addEventListener("blur", () => this.#endRename(field.value));
  }

  /** Enter selects all that was found, Escape none of it; then letters are shortcuts again. */
  #searchKey(event) {
    const field = event.target;
    if (event.key !== "Enter" && (event.key !== "Escape" || field.value)) return;
    const found = event.key === "Enter" && field.value ? this.#findings.shown.map(({ id }) => id) : null;
    field.value = "";
    this.#findings.search("");
    if (found) {
      this.#findings.selectAll(found);
      announce(`${counted(found.length, "object")} selected`);
    }
    field.blur();
    find("#canvas").focus({ preventScroll: true });
    event.stopPropagation();
  }

  #endRename(name) {
    const ids = this.#renaming;
    if (!ids.length) return;
    this.#renaming = [];
    this.#list.renew(ids[0]);
    if (name.trim()) this.#options.onRename(ids, name.trim());
    this.#list.focus(ids[0]);
  }

  #render() {
    const { items, shown, listed } = this.#findings;
    this.#list.show(listed);
    const all = items.length;
    const text = shown.length === all ? counted(all, "object") : `${shown.length} of ${counted(all, "object")}`;
    find("#object-count").textContent = text;
    find("#finder").hidden = all < 2;
    const none = find("#objects-none");
    none.hidden = listed.length > 0;
    none.textContent = all ? "The filter hides all of them." : "No object was found.";
  }

  #showSelection() {
    this.#list.refresh();
    const [item] = this.#findings.selected;
    if (item && !this.#root.contains(document.activeElement)) this.#list.reveal(item.id);
  }

  #newRow(id) {
    const swatch = make("span", { class: "object__swatch" });
    const button = make(
      "button",
      {
        class: "object__button",
        type: "button",
        onclick: (event) => this.#choose(id, event),
        onfocus: () => this.#findings?.hover(id),
        onblur: () => this.#findings?.hover(0),
        ondblclick: () => this.startRename([id]),
      },
      swatch,
      make("span", { class: "object__title" }, make("span", { class: "object__name" }), make("span", { class: "object__number" })),
      make("span", { class: "object__detail" }),
    );
    return make(
      "li",
      { class: "object row", onpointerenter: () => this.#findings?.hover(id) },
      button,
      this.#switch("hide", "Hide", () => this.#findings.toggleHidden([id])),
      this.#switch("lock", "Lock", () => this.#findings.toggleLocked([id])),
    );
  }

  #switch(name, word, onclick) {
    return make(
      "button",
      { class: `object__switch object__switch--${name}`, type: "button", "aria-label": word, title: word, onclick },
      icon(name),
    );
  }

  #updateRow(row, item) {
    const findings = this.#findings;
    row.classList.toggle("object--lit", item.id === findings.hovered);
    row.classList.toggle("object--hidden", findings.isHidden(item.id));
    const button = row.querySelector(".object__button");
    if (!button) return; // it is being renamed
    button.setAttribute("aria-pressed", String(findings.isSelected(item.id)));
    row.querySelector(".object__switch--hide").setAttribute("aria-pressed", String(findings.isHidden(item.id)));
    row.querySelector(".object__switch--lock").setAttribute("aria-pressed", String(findings.isLocked(item.id)));
    row.querySelector(".object__swatch").style.setProperty("--color", css(this.#options.colorOf(item)));
    row.querySelector(".object__name").textContent = item.class;
    row.querySelector(".object__number").textContent = this.#options.hasNumbers ? String(item.id) : "";
    const words = this.#options.describe(item);
    const detail = row.querySelector(".object__detail");
    if (detail.dataset.words === words.join()) return;
    detail.dataset.words = words.join();
    detail.replaceChildren(...words.map((text) => make("span", { text })));
  }

  #choose(id, event) {
    if (event.detail > 1) return; // the second click of a double one, which renames
    this.#findings.select(id, { add: event.shiftKey || event.ctrlKey || event.metaKey });
    const item = this.#findings.item(id);
    announce(this.#findings.isSelected(id) ? `${item.class} selected` : `${item.class} no longer selected`);
  }
}
