// The line over the image that says what the chosen tool is about to do.

import { find } from "../dom.js";

const hint = find("#hint");

/** Say `text`; "" takes the line away. */
export function showHint(text) {
  hint.textContent = text;
  hint.hidden = !text;
}

/** What lies under the line is the image, too: it steps aside for a pointer that comes there. */
find("#canvas").addEventListener("pointermove", stepAside);
find("#canvas").addEventListener("pointerdown", stepAside);

function stepAside({ clientX: x, clientY: y }) {
  if (hint.hidden) return;
  const { left, right, top, bottom } = hint.getBoundingClientRect();
  hint.classList.toggle("stage__hint--aside", x >= left && x <= right && y >= top && y <= bottom);
}
