// Which object has which color: its own, or that of its class.

import { objectColor } from "../masks/palette.js";

const classes = new WeakMap(); // items → class → its place among them

/** A function item → [red, green, blue] for objects of an image: ids count from 1, the writers' colors from 0. */
export function imageColors(findings, look) {
  return (item) => objectColor(look.colorBy === "class" ? placeOf(item, findings.items) : item.id - 1);
}

/** The same for tracks, which the writers color by the id itself. */
export function trackColors(findings, look) {
  return (item) => objectColor(look.colorBy === "class" ? placeOf(item, findings.items) : item.id);
}

function placeOf(item, items) {
  if (!classes.has(items)) {
    const names = [...new Set(items.map((each) => each.class))];
    classes.set(items, new Map(names.map((name, place) => [name, place])));
  }
  return classes.get(items).get(item.class) ?? 0;
}
