// The question for the server's token.

import { find } from "../dom.js";

/** Ask for the token in a dialog; a promise of it, or of null when the user closes it. */
export function askForToken(wasRefused) {
  const dialog = find("#token");
  const field = find("#token-field");
  find("#token-refused").hidden = !wasRefused;
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    const done = () => resolve(dialog.returnValue === "use" ? field.value.trim() : null);
    dialog.addEventListener("close", done, { once: true });
  });
}
