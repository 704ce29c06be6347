// The list of files that can be had, one by one or all in one.

import { find, icon, make } from "../dom.js";
import { announce, notify } from "../notify.js";
import { saveBlob } from "./save.js";
import { zipOf } from "./zip.js";

let shown = { files: [], archive: "" };

/**
 * `files`: [{name, words, size, fetch, content}], where `fetch()` gets and saves the file and `content()` is a promise
 * of it, [{name, blob}]. `what` says what they hold; `archive` is the name of the zip of all of them.
 */
export function showDownloads(files, what, { archive = "" } = {}) {
  shown = { files, archive };
  find("#downloads").hidden = !files.length;
  find("#download-what").textContent = what;
  find("#download-all").hidden = files.length < 2;
  find("#files").replaceChildren(...files.map((file) => make("li", {}, row(file))));
}

/** Say how many objects are shown and selected, and so what the files hold. */
export function describeDownloads(words) {
  const radio = find("#download-scope input[value=selected]");
  radio.disabled = !words.selected;
  if (radio.disabled && radio.checked) find("#download-scope input[value=all]").checked = true;
  find("#download-what").textContent = isOfSelection() ? words.selected : words.shown;
}

/** Whether files are to hold the selected objects only. */
export function isOfSelection() {
  return find("#download-scope input[value=selected]").checked;
}

/** Call `run` when the user chooses between all and the selection. */
export function onScope(run, signal) {
  find("#download-scope").addEventListener("change", run, { signal });
}

find("#download-all").addEventListener("click", () => {
  const { files, archive } = shown;
  run(find("#download-all"), archive, async () => {
    const contents = [];
    for (const file of files) contents.push(...(await file.content())); // one after the other: the server has others to serve
    saveBlob(await zipOf(contents), archive);
  });
});

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
    notify(error.message, { kind: "error", action: { label: "Try again", run: () => run(button, name, fetch) } });
  } finally {
    button.removeAttribute("aria-busy");
  }
}
