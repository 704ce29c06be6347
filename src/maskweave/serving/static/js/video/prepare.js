// What is asked of a run before it starts.

import { find, make } from "../dom.js";
import { wordsOf } from "../page/save.js";

const ASKED = { instances: ["overlay", "tracks", "csv"], semantic: ["overlay"], foreground: ["overlay", "foreground"] };

/** The form; `onStart()` is called when the user wants the run. `signal` ends it. */
export class Prepare {
  #page;

  constructor(page, { onStart, signal }) {
    this.#page = page;
    find("#start").addEventListener("click", onStart, { signal });
    find("#task").addEventListener("change", () => this.fillFormats(), { signal });
    this.fillFormats();
    this.offer("Before it starts", "Find and follow objects", true);
  }

  /** What the form says: {task, model, save, score, every}. */
  get asked() {
    const { task, model } = this.#page.choices;
    const save = [...document.querySelectorAll("input[name=save]:checked")].map((box) => box.value);
    return { task, model, save, score: find("#run-score").value, every: find("#every").value };
  }

  offer(title, button, isOpen) {
    find("#prepare-title").textContent = title;
    find("#start").textContent = button;
    find("#prepare").open = isOpen;
  }

  fillFormats() {
    const { choices, formats } = this.#page;
    const boxes = (formats.video_by_task[choices.task] ?? []).map((name) => {
      const isNeeded = name === "tracks" || name === "overlay"; // what this page itself shows
      const box = make("input", { type: "checkbox", name: "save", value: name, disabled: isNeeded });
      box.checked = ASKED[choices.task].includes(name);
      return make("label", {}, box, make("span", { text: name }), make("small", { text: wordsOf(name, formats) }));
    });
    find("#video-formats").replaceChildren(make("legend", { text: "Make these files" }), ...boxes);
  }
}
