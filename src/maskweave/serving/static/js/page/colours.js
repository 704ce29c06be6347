// Which object has which colour: its own, or that of its class.

import { objectColour } from "../masks/palette.js";

const classes = new WeakMap(); // items → class → its place among them

/** A function item → [red, green, blue] for objects of a picture: ids count from 1, the writers' colours from 0. */
export function pictureColours(findings, look) {
  return (item) => objectColour(look.colourBy === "class" ? placeOf(item, findings.items) : item.id - 1);
}

/** The same for tracks, which the writers colour by the id itself. */
export function trackColours(findings, look) {
  return (item) => objectColour(look.colourBy === "class" ? placeOf(item, findings.items) : item.id);
}

function placeOf(item, items) {
  if (!classes.has(items)) {
    const names = [...new Set(items.map((each) => each.class))];
    classes.set(items, new Map(names.map((name, place) => [name, place])));
  }
  return classes.get(items).get(item.class) ?? 0;
}
