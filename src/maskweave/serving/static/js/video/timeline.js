// When each object is seen: a row a track, on the scale of the player's slider.

import { find, make } from "../dom.js";
import { css } from "../masks/palette.js";
import { trackColour } from "../page/colours.js";
import { moment } from "../words.js";

/** Shows the tracks of a `TracksDocument`; a click chooses one and goes to where it is seen. */
export class Timeline {
  #root = find("#timeline");
  #rows = new Map();
  #findings;
  #duration;

  constructor(findings, { duration, onChoose }) {
    this.#findings = findings;
    this.#duration = duration;
    for (const item of findings.items) this.#rows.set(item.id, this.#row(item, onChoose));
    this.#root.replaceChildren(...this.#rows.values(), make("span", { class: "timeline__now", "aria-hidden": "true" }));
    this.#root.hidden = !this.#rows.size;
    for (const event of ["items", "filter", "selection", "hover"]) {
      findings.addEventListener(event, () => this.#update());
    }
    this.#update();
  }

  /** Put the mark of the present at `time`. */
  show(time) {
    this.#root.style.setProperty("--now", String(Math.min(1, time / this.#duration)));
  }

  #row(item, onChoose) {
    const bars = item.stretches.map(([start, end]) => {
      const bar = make("span", { class: "track__bar" });
      bar.style.setProperty("--from", String(start / this.#duration));
      bar.style.setProperty("--long", String((end - start) / this.#duration));
      return bar;
    });
    const when = item.stretches.map(([start, end]) => `${moment(start)} to ${moment(end)}`).join(", ");
    const row = make(
      "button",
      {
        class: "track",
        type: "button",
        "data-id": String(item.id),
        "aria-label": `${item.class} ${item.id}, seen ${when}`,
        onclick: () => onChoose(item),
        onpointerenter: () => this.#findings.hover(item.id),
        onpointerleave: () => this.#findings.hover(0),
      },
      make("span", { class: "track__name", text: `${item.class} ${item.id}` }),
      make("span", { class: "track__lane" }, ...bars),
    );
    row.style.setProperty("--colour", css(trackColour(item.id)));
    return row;
  }

  #update() {
    for (const item of this.#findings.items) {
      const row = this.#rows.get(item.id);
      row.hidden = !this.#findings.isShown(item);
      row.setAttribute("aria-pressed", String(this.#findings.isSelected(item.id)));
      row.classList.toggle("track--lit", this.#findings.hovered === item.id);
    }
  }
}
