// How files come in: dropped, pasted, picked.

import { find } from "../dom.js";

const VIDEO_NAMES = /\.(mp4|m4v|mov|webm|mkv|avi|mpe?g|ogv|ts)$/i;

/** Whether a file is a video; by its name where the browser does not know its type. */
export function isVideo(file) {
  return file.type ? file.type.startsWith("video/") : VIDEO_NAMES.test(file.name ?? "");
}

/** Call `onFile(file)` for every file that the user brings. */
export function takeFiles(onFile) {
  const picker = find("#file");
  for (const selector of ["#pick", "#open"]) find(selector).addEventListener("click", () => picker.click());
  for (const input of [picker, find("#capture")]) {
    input.addEventListener("change", () => {
      const [file] = input.files;
      input.value = ""; // so that the same file can be picked again
      if (file) onFile(file);
    });
  }
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (!file) return;
    event.preventDefault();
    onFile(file);
  });
  takeDropped(onFile);
}

function takeDropped(onFile) {
  const veil = find("#dropping");
  let depth = 0; // a drag enters and leaves each element on its way
  const show = () => veil.classList.toggle("dropping--shown", depth > 0);
  const brings = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragenter", (event) => {
    if (brings(event)) depth += 1;
    show();
  });
  window.addEventListener("dragleave", (event) => {
    if (brings(event)) depth = Math.max(0, depth - 1);
    show();
  });
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    show();
    const [file] = event.dataTransfer?.files ?? [];
    if (file) onFile(file);
  });
}
