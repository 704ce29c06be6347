// The user's classes: number keys and buttons name what is selected by them, or else what is drawn next.

import { find, make } from "../dom.js";
import { announce } from "../notify.js";

const KEY = "maskweave.presets";
const MAX_CLASSES = 9;
const UNNAMED = "object";

const field = find("#presets");
const chips = find("#preset-chips");
let own = read();
let next = null; // the class of what is drawn next, as far as one was chosen

/** Let the field and the buttons work; `view()` is what is open now. */
export function startPresets(view) {
  field.addEventListener("change", () => {
    own = namesIn(field.value);
    if (!own.includes(next)) next = null;
    try {
      localStorage.setItem(KEY, JSON.stringify(own));
    } catch {
      // a browser that keeps nothing has them until the page is closed
    }
    field.value = own.join(", ");
    showChips(view);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    field.blur(); // the next letter is a tool again
    find("#canvas").focus({ preventScroll: true });
    event.stopPropagation();
  });
  showChips(view);
}

/** Offer the user's own classes, or else those of `findings`. */
export function offerPresets(findings) {
  const names = own.length ? own : [...new Set(findings.shown.map((item) => item.class))];
  field.value = names.slice(0, MAX_CLASSES).join(", ");
}

/** What an object is called that is drawn now. */
export function nextClass() {
  return next ?? UNNAMED;
}

/**
 * Name what is selected in `view` by the class on a number key, from 1; where nothing is, let what is drawn next have one of
 * the user's own classes, or none again. Returns whether anything came of it.
 */
export function pickClass(view, number) {
  const name = namesIn(field.value)[number - 1];
  if (!view?.classify || !name) return false;
  if (view.classify(name)) return true;
  if (!own.length) return false;
  next = next === name ? null : name;
  announce(next ? `What is drawn next is called ${name}` : "What is drawn next has no class yet");
  for (const chip of chips.children) chip.setAttribute("aria-pressed", String(chip.dataset.name === next));
  view.showHint?.();
  return true;
}

function showChips(view) {
  chips.hidden = !own.length;
  chips.replaceChildren(
    ...own.map((name, place) =>
      make(
        "button",
        {
          class: "chip chip--choice",
          type: "button",
          "data-name": name,
          "aria-pressed": String(name === next),
          onclick: () => pickClass(view(), place + 1),
        },
        make("kbd", { text: String(place + 1) }),
        make("span", { text: name }),
      ),
    ),
  );
}

function namesIn(text) {
  const names = text.split(",").map((name) => name.trim());
  return [...new Set(names)].filter(Boolean).slice(0, MAX_CLASSES);
}

function read() {
  try {
    return namesIn((JSON.parse(localStorage.getItem(KEY)) ?? []).join(","));
  } catch {
    return [];
  }
}
