// The list of files that can be had.

import { find, icon, make } from "../dom.js";
import { announce, tell } from "../tell.js";

/** `files`: [{name, words, size, fetch}], `fetch()` gets and saves the file; `what` says what they hold. */
export function showDownloads(files, what) {
  find("#downloads").hidden = !files.length;
  find("#download-what").textContent = what;
  find("#files").replaceChildren(...files.map((file) => make("li", {}, row(file))));
}

/** Change only the line that says what the files hold. */
export function sayWhatIsDownloaded(what) {
  find("#download-what").textContent = what;
}

function row({ name, words, size = "", fetch }) {
  const button = make(
    "button",
    { class: "file", type: "button", "data-name": name },
    icon("download"),
    make("span", { class: "file__name", text: name }),
    make("span", { class: "file__words", text: [words, size].filter(Boolean).join(" · ") }),
  );
  button.addEventListener("click", () => run(button, name, fetch));
  return button;
}

async function run(button, name, fetch) {
  button.setAttribute("aria-busy", "true");
  try {
    await fetch();
    announce(`${name} saved`);
  } catch (error) {
    tell(error.message, { kind: "error" });
  } finally {
    button.removeAttribute("aria-busy");
  }
}
