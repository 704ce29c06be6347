// The question before something that is at work would be ended.

import { find } from "../dom.js";

/** Ask whether to leave; a promise of the answer. */
export function mayLeave(title, text) {
  const dialog = find("#leave");
  find("#leave-title").textContent = title;
  find("#leave-text").textContent = text;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "leave"), { once: true });
  });
}
