// Images for other programs, by the clipboard.

import { announce, notify } from "../notify.js";

/** Whether this browser takes images for its clipboard; it does so on safe addresses only. */
export const canCopy = Boolean(navigator.clipboard?.write && window.ClipboardItem);

/** Copy the PNG that `made()` promises. `what` is said when it is there. */
export async function copyImage(made, what) {
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": made() })]);
    announce(`${what} copied`);
    notify(`${what} copied.`);
  } catch (error) {
    notify(`The browser did not take it: ${error.message}`, { kind: "error" });
  }
}
