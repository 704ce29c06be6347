// The classes that number keys give: "1" names what is selected by the first of them.

import { find } from "../dom.js";

const KEY = "maskweave.presets";
const MAX_CLASSES = 9;

const field = find("#presets");
let own = read();

field.addEventListener("change", () => {
  own = namesIn(field.value);
  try {
    localStorage.setItem(KEY, JSON.stringify(own));
  } catch {
    // a browser that keeps nothing has them until the page is closed
  }
  field.value = own.join(", ");
});

/** Offer the user's own classes, or else those of `findings`. */
export function offerPresets(findings) {
  const names = own.length ? own : [...new Set(findings.items.map((item) => item.class))];
  field.value = names.slice(0, MAX_CLASSES).join(", ");
}

/** The class on a number key, from 1; undefined where there is none. */
export function presetOf(number) {
  return namesIn(field.value)[number - 1];
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
