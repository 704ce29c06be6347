// How files come in: dropped, pasted, picked.

import { find } from "../dom.js";

const VIDEO_NAMES =
  /\.(mp4|m4v|mov|qt|webm|mkv|avi|divx|mpe?g?|m[12]v|m?ts|m2ts?|trp|vob|mod|tod|flv|f4v|wmv|asf|wtv|3g[p2]|og[vm]|y4m|mxf|gxf|dv|nut|ivf|h?26[45]|hevc|rm|rmvb|nsv|dav|mjpe?g|mjp)$/i;

/** Whether a file is a video; by its name where the browser does not know its type, or guesses (.ts is a text to it). */
export function isVideo(file) {
  if (/^(image|video)\//.test(file.type)) return file.type.startsWith("video/");
  return VIDEO_NAMES.test(file.name ?? "");
}

/** Whether a file is an image, by its type or its name. */
export function isImage(file) {
  return file.type.startsWith("image/") || /\.(tiff?|heic|heif|avif|jp2|psd|p[npgb]m|bmp|webp)$/i.test(file.name ?? "");
}

/** Call `onFiles([{path, file}, …])` for what the user brings at once; `path` begins with the folder that was brought. */
export function takeFiles(onFiles) {
  const picker = find("#file");
  for (const selector of ["#pick", "#open"]) find(selector).addEventListener("click", () => picker.click());
  find("#pick-folder").addEventListener("click", () => find("#folder").click());
  for (const input of [picker, find("#folder"), find("#capture")]) {
    input.addEventListener("change", () => {
      const files = [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
      input.value = ""; // so that the same file can be picked again
      if (files.length) onFiles(files);
    });
  }
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    onFiles(files.map((file) => ({ path: file.name, file })));
  });
  takeDropped(onFiles);
}

function takeDropped(onFiles) {
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
  window.addEventListener("drop", async (event) => {
    event.preventDefault();
    depth = 0;
    show();
    const files = await filesOf(event.dataTransfer);
    if (files.length) onFiles(files);
  });
}

/** What was dropped, with all that is in folders. */
async function filesOf(transfer) {
  const entries = [...(transfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.()); // before the event is over
  const files = [...(transfer?.files ?? [])].map((file) => ({ path: file.name, file }));
  if (!entries.some((entry) => entry?.isDirectory)) return files;
  return (await Promise.all(entries.filter(Boolean).map(filesBelow))).flat();
}

async function filesBelow(entry) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ path: entry.fullPath.replace(/^\//, ""), file }];
  }
  const reader = entry.createReader();
  const entries = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // a hundred at a time
    if (!some.length) break;
    entries.push(...some);
  }
  return (await Promise.all(entries.map(filesBelow))).flat();
}
