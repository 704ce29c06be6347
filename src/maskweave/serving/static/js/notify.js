// Words for the user: short notes that go by themselves, and lines for screen readers.

import { find, icon, make } from "./dom.js";

const LASTS = 7000; // milliseconds; a note with an action or an error stays until it is closed

/** Say `text` to screen readers, when they are done with what they read. */
export function announce(text) {
  find("#announcements").textContent = text;
}

/**
 * Show a note. `kind`: "note" or "error"; an error stays. `action`: {label, run} adds a button.
 * Returns a function that takes the note away.
 */
export function notify(text, { kind = "note", action = null } = {}) {
  const close = () => note.remove();
  const button = action && make("button", { class: "button button--plain", text: action.label, type: "button" });
  button?.addEventListener("click", () => {
    close();
    action.run();
  });
  const dismiss = make(
    "button",
    { class: "icon-button", type: "button", "aria-label": "Close this note", onclick: close },
    icon("close"),
  );
  const note = make("div", { class: `note note--${kind}`, "data-text": text }, make("p", { text }), button, dismiss);
  const equal = [...find("#notes").children].find((other) => other.dataset.text === text);
  if (equal) equal.replaceWith(note); // the same again is said once
  else find("#notes").append(note);
  if (kind === "note" && !action) setTimeout(close, LASTS);
  return close;
}
