// Files that leave the page.

import { make } from "../dom.js";

const KEPT = 60_000; // milliseconds that a browser may take to begin with the file

/** Hand `blob` to the browser as a download named `name`. */
export function saveBlob(blob, name) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), KEPT);
}

/** Let the browser download what lies at `href`. */
export function saveLink(href, name) {
  make("a", { href, download: name }).click();
}

/** The name of a result of `file`: the server, which is not told names, calls it "image.…" or "video.…". */
export function ownName(result, file) {
  return result.replace(/^(image|video)(?=\.)/, () => file.replace(/\.[^.]*$/, "") || "result");
}

/** What the formats that this page has more to say of are, in a few words; the others have the server's titles. */
const FORMAT_WORDS = {
  overlay: "the image with masks drawn over it",
  "side-by-side": "original and overlay",
  masks: "one number per object, as PNG",
  foreground: "white where something is",
  coco: "COCO JSON: boxes, masks, scores",
  csv: "a table: area, center and box",
  cutout: "the objects alone",
  geojson: "outlines with holes, on the map where the image lies on one",
  nrrd: "labels as a volume, for 3D Slicer and ITK",
  davis: "label maps in DAVIS's palette",
  tracks: "YouTube-VIS JSON: all masks by object",
  mots: "KITTI MOTS text",
};

/** A format in a few words; `formats` is the server's answer. */
export function wordsOf(format, formats) {
  return FORMAT_WORDS[format] ?? formats.titles?.[format] ?? "";
}

/** The format that the server's file of that name is in, "" where it is none that this page writes: the longest ending that fits. */
export function formatOf(name, formats) {
  const known = [...new Set([...formats.image, ...formats.video])];
  const endingOf = (format) => formats.suffixes?.[format] ?? `.${format}`;
  const fitting = known.filter((format) => name.endsWith(endingOf(format)) || name.includes(`${endingOf(format)}.`));
  return fitting.sort((a, b) => endingOf(b).length - endingOf(a).length)[0] ?? "";
}
