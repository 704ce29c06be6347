// What the page says while the server works.

import { find } from "../dom.js";

let cancel = null;

/** Show that something is at work; `onCancel` runs when the user no longer wants it; null where it goes on anyway. */
export function startBusy(text, onCancel) {
  cancel = onCancel;
  find("#busy-cancel").hidden = !onCancel;
  find("#busy").hidden = false;
  find("#stage").classList.add("stage--busy");
  find("#stage").setAttribute("aria-busy", "true");
  showProgress(text);
}

/** Say how far it is: a share from 0 to 1, or null where nobody knows. */
export function showProgress(text, share = null) {
  const line = find("#busy-text");
  if (line.textContent !== text) line.textContent = text;
  const bar = find("#busy-bar");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

export function endBusy() {
  cancel = null;
  find("#busy").hidden = true;
  find("#stage").classList.remove("stage--busy");
  find("#stage").removeAttribute("aria-busy");
}

find("#busy-cancel").addEventListener("click", () => cancel?.());
