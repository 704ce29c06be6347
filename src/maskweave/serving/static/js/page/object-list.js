// The list of objects: the same in words as the masks on the picture.

import { announce } from "../tell.js";
import { find, make } from "../dom.js";
import { css } from "../masks/palette.js";
import { counted } from "../words.js";

/** Shows the `Findings` it is bound to; `describe(item)` gives the short words behind a name, `colourOf(id)` a colour. */
export class ObjectList {
  #list = find("#object-list");
  #findings = null;
  #describe = null;
  #colourOf = null;
  #rows = new Map(); // id → the row's li
  #renaming = 0;
  #onRename = null;
  #unbind = new AbortController();

  constructor() {
    this.#list.addEventListener("pointerleave", () => this.#findings?.hover(0));
  }

  /** `onRename(id, name)` is called when the user has typed another name; null where names stay. */
  bind(findings, { describe, colourOf, onRename = null }) {
    this.clear();
    this.#findings = findings;
    this.#describe = describe;
    this.#colourOf = colourOf;
    this.#onRename = onRename;
    const options = { signal: this.#unbind.signal };
    const render = () => this.#render();
    findings.addEventListener("items", render, options);
    findings.addEventListener("filter", render, options);
    findings.addEventListener("selection", () => this.#mark({ reveal: true }), options);
    findings.addEventListener("hover", () => this.#mark({ reveal: false }), options);
    render();
  }

  clear() {
    this.#unbind.abort();
    this.#unbind = new AbortController();
    this.#findings = null;
    this.#rows.clear();
    this.#list.replaceChildren();
    find("#object-count").textContent = "";
  }

  /** Turn the name of an object into a field. */
  startRename(id) {
    if (!this.#onRename) return;
    this.#renaming = id;
    const row = this.#rows.get(id);
    const field = make("input", {
      class: "object__field",
      value: this.#findings.item(id).class,
      list: "class-names",
      "aria-label": "New name",
      maxlength: "80",
    });
    row?.replaceChildren(field);
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

  #endRename(name) {
    const id = this.#renaming;
    if (!id) return;
    this.#renaming = 0;
    this.#rows.delete(id); // to be made anew
    if (name.trim() && this.#findings.item(id)) this.#onRename(id, name.trim());
    this.#findings.dispatchEvent(new Event("items"));
    this.#rows.get(id)?.querySelector("button")?.focus();
  }

  #render() {
    const { items, shown } = this.#findings;
    const focused = Number(document.activeElement?.closest?.(".object")?.dataset.id ?? 0);
    const kept = new Map();
    for (const item of shown) kept.set(item.id, this.#rowOf(item));
    this.#rows = kept;
    this.#list.replaceChildren(...kept.values());
    if (focused) (kept.get(focused) ?? kept.values().next().value)?.querySelector("button")?.focus();
    const all = items.length;
    const text = shown.length === all ? counted(all, "object") : `${shown.length} of ${counted(all, "object")}`;
    find("#object-count").textContent = text;
    const none = find("#objects-none");
    none.hidden = shown.length > 0;
    none.textContent = all ? "The filter hides all of them." : "No object was found.";
    this.#mark({ reveal: false });
  }

  #rowOf(item) {
    const row = this.#rows.get(item.id) ?? this.#newRow(item.id);
    const name = row.querySelector(".object__name");
    if (name) {
      name.textContent = item.class;
      row.querySelector(".object__detail").replaceChildren(
        ...this.#describe(item).map((text) => make("span", { text })),
      );
    }
    return row;
  }

  #newRow(id) {
    const swatch = make("span", { class: "object__swatch" });
    swatch.style.setProperty("--colour", css(this.#colourOf(id)));
    const button = make(
      "button",
      {
        class: "object__button",
        type: "button",
        onclick: (event) => this.#choose(id, event),
        onfocus: () => this.#findings?.hover(id),
        onblur: () => this.#findings?.hover(0),
        ondblclick: () => this.startRename(id),
      },
      swatch,
      make("span", { class: "object__name" }),
      make("span", { class: "object__detail" }),
    );
    return make(
      "li",
      { class: "object", "data-id": String(id), onpointerenter: () => this.#findings?.hover(id) },
      button,
    );
  }

  #choose(id, event) {
    if (event.detail > 1) return; // the second click of a double one, which renames
    this.#findings.select(id, { add: event.shiftKey || event.ctrlKey || event.metaKey });
    const item = this.#findings.item(id);
    announce(this.#findings.isSelected(id) ? `${item.class} selected` : `${item.class} no longer selected`);
  }

  #mark({ reveal }) {
    for (const [id, row] of this.#rows) {
      const isSelected = this.#findings.isSelected(id);
      row.classList.toggle("object--lit", id === this.#findings.hovered);
      row.querySelector(".object__button")?.setAttribute("aria-pressed", String(isSelected));
      if (isSelected && reveal && !row.contains(document.activeElement)) scrollWithin(this.#list, row);
    }
  }
}

/** Bring `row` into sight inside `list` without moving the page. */
function scrollWithin(list, row) {
  const [view, place] = [list.getBoundingClientRect(), row.getBoundingClientRect()];
  if (place.top < view.top) list.scrollTop -= view.top - place.top;
  else if (place.bottom > view.bottom) list.scrollTop += place.bottom - view.bottom;
}
