// Lines and zones of a live video, at which the server counts.

import { Counters } from "../video/counters.js";

/** Counters that say what the last answer says of them. */
export class LiveCounters extends Counters {
  #counts = null;

  /** Take the counts of an answer: {lines: {name: [forward, back]}, zones: {name: [inside, in all]}}, or null. */
  take(counts) {
    this.#counts = counts;
  }

  wordsOf({ kind, name }) {
    const counts = this.#counts?.[kind === "line" ? "lines" : "zones"][name];
    if (!counts) return "";
    const [one, other] = counts;
    return kind === "line" ? `${one} forward, ${other} back` : `${one} inside, ${other} in all`;
  }
}

/** {points, name} out of the text of an option, "x1,y1,x2,y2=name"; null for text that is none. */
export function placeOf(kind, text) {
  const [numbers, name = ""] = text.split("=");
  const flat = numbers.split(",").map(Number);
  const isWhole = flat.length % 2 === 0 && flat.every(Number.isFinite) && flat.length >= (kind === "line" ? 4 : 6);
  if (!isWhole) return null;
  const points = Array.from({ length: flat.length / 2 }, (_, place) => flat.slice(2 * place, 2 * place + 2));
  return { points, name };
}
