// Filtering by score and class: what was found stays, only what is shown changes.

import { find, make } from "../dom.js";

/** The score slider with a mark for each object, and a button for each class. */
export class Filters {
  #score = find("#score");
  #chips = find("#class-chips");
  #findings = null;
  #unbind = new AbortController();

  constructor() {
    this.#score.addEventListener("input", () => this.#findings?.setMinScore(Number(this.#score.value)));
  }

  bind(findings) {
    this.clear();
    this.#findings = findings;
    const options = { signal: this.#unbind.signal };
    findings.addEventListener("items", () => this.#render(), options);
    findings.addEventListener("filter", () => this.#update(), options);
    this.#render();
  }

  clear() {
    this.#unbind.abort();
    this.#unbind = new AbortController();
    this.#findings = null;
    this.#chips.replaceChildren();
    find("#filters").hidden = true;
  }

  #render() {
    const { items } = this.#findings;
    const scores = items.map((item) => item.score).filter((score) => score !== null);
    find("#filters").hidden = !items.length;
    find("#score-field").hidden = !scores.length;
    find("#score-marks").replaceChildren(...scores.map(mark));
    const names = [...new Set(items.map((item) => item.class))].sort();
    this.#chips.replaceChildren(...names.map((name) => this.#chip(name)));
    this.#chips.hidden = names.length < 2;
    this.#update();
  }

  #update() {
    const { minScore, items } = this.#findings;
    this.#score.value = String(minScore);
    find("#score-value").textContent = minScore.toFixed(2);
    this.#score.setAttribute("aria-valuetext", `${minScore.toFixed(2)}, ${this.#findings.shown.length} shown`);
    for (const chip of this.#chips.children) {
      const { name } = chip.dataset;
      chip.setAttribute("aria-pressed", String(this.#findings.isClassShown(name)));
      const sure = items.filter((item) => item.class === name);
      const passing = sure.filter((item) => item.score === null || item.score >= minScore);
      chip.querySelector(".chip__count").textContent = String(passing.length);
      chip.hidden = !passing.length && this.#findings.isClassShown(name);
    }
  }

  #chip(name) {
    return make(
      "button",
      {
        class: "chip",
        type: "button",
        "data-name": name,
        "aria-pressed": "true",
        onclick: () => this.#findings.toggleClass(name),
      },
      make("span", { text: name }),
      make("span", { class: "chip__count" }),
    );
  }
}

/** A mark where an object's score lies on the slider, which goes from 0.1 to 1. */
function mark(score) {
  const element = make("span", { class: "score__mark" });
  element.style.setProperty("--at", String((score - 0.1) / 0.9));
  return element;
}
