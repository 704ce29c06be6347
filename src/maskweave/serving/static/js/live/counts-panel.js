// How many of each class are seen now.

import { find, make } from "../dom.js";
import { counted } from "../words.js";

/** A row for each class that was seen; pressing it hides the class, or shows it again. */
export class CountsPanel {
  #list = find("#live-counts");
  #rows = new Map(); // class → button
  #scene;

  constructor(scene) {
    this.#scene = scene;
    this.#list.replaceChildren();
    this.show([]);
  }

  /** Say what is seen in `objects`; classes keep their rows, so that nothing jumps. */
  show(objects) {
    const counts = new Map();
    for (const { class: name } of objects) counts.set(name, (counts.get(name) ?? 0) + 1);
    for (const name of counts.keys()) if (!this.#rows.has(name)) this.#add(name);
    for (const [name, row] of this.#rows) {
      const count = String(counts.get(name) ?? 0);
      const output = row.querySelector(".chip__count");
      if (output.textContent !== count) output.textContent = count;
      row.setAttribute("aria-pressed", String(this.#scene.isClassShown(name)));
      row.classList.toggle("chip--none", count === "0");
    }
    find("#live-count").textContent = counted(objects.length, "object");
    find("#live-counts-none").hidden = this.#rows.size > 0;
  }

  #add(name) {
    const row = make(
      "button",
      { class: "chip", type: "button", "data-name": name, onclick: () => this.#scene.toggleClass(name) },
      make("span", { text: name }),
      make("span", { class: "chip__count" }),
    );
    this.#rows.set(name, row);
    this.#list.append(row);
  }
}
