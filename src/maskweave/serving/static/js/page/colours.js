// Which object has which colour.

import { objectColour } from "../masks/palette.js";

/** [red, green, blue] of an object of a picture: ids count from 1, the writers' colours from 0. */
export function pictureColour(id) {
  return objectColour(id - 1);
}

/** [red, green, blue] of a track, which the writers colour by its id itself. */
export function trackColour(id) {
  return objectColour(id);
}
