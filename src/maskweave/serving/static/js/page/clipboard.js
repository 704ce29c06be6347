// Pictures for other programs, by the clipboard.

import { announce, tell } from "../tell.js";

/** Whether this browser takes pictures for its clipboard; it does so on safe addresses only. */
export const canCopy = Boolean(navigator.clipboard?.write && window.ClipboardItem);

/** Copy the PNG that `made()` promises. `what` is said when it is there. */
export async function copyPicture(made, what) {
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": made() })]);
    announce(`${what} copied`);
    tell(`${what} copied.`);
  } catch (error) {
    tell(`The browser did not take it: ${error.message}`, { kind: "error" });
  }
}
