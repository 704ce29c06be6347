// A data set that is corrected: its label files and images as they were brought, and what comes of them.

import { imageSizes } from "../page/image-size.js";
import { filesOfZip, isZip } from "../page/unzip.js";
import { zipOf } from "../page/zip.js";
import { readLabels, reviseLabels } from "../server/calls.js";

const LABELS = /\.(json|ya?ml|txt)$/i;
const SOURCES = /\.(json|ya?ml)$/i;
const IMAGES = /\.(jpe?g|jfif|png|webp|bmp|gif|avif|tiff?)$/i;
const MAX_SENT = 4e6; // letters of JSON in one request; the server takes 8 MB
const TYPES = { jpg: "image/jpeg", jpeg: "image/jpeg", jfif: "image/jpeg", png: "image/png", webp: "image/webp", bmp: "image/bmp", gif: "image/gif", avif: "image/avif" };

/** Whether what was brought, [{path, file}], is a data set: it has label files, or is a zip. */
export function isDataset(brought) {
  return brought.some(({ path, file }) => isZip(file) || SOURCES.test(path));
}

/** The images alone of what was brought, out of a zip, too. */
export async function imagesOf(brought) {
  const zip = brought.find(({ file }) => isZip(file))?.file;
  const given = zip ? await unpacked(await filesOfZip(zip)) : brought;
  return given.filter(({ path }) => IMAGES.test(path));
}

/**
 * The label files stay in the browser, as blobs, and go to the server to be read and to be revised. Images are told of by
 * name and size, and never sent for that.
 */
export class Dataset {
  name;
  formats = [];
  problems = [];
  classNames = [];

  #archive; // the files of the zip that was opened; null where none was
  #labels; // path → blob
  #images; // path → {file, size}

  constructor({ name, archive, labels, images }) {
    this.name = name;
    this.#archive = archive;
    this.#labels = labels;
    this.#images = images;
  }

  /**
   * Open what was brought: {dataset, entries}, of which each, {name, file, source, objects, size}, is an image as a label
   * file knows it. `onProgress(words, share)` is called on the way. Throws `Problem`.
   */
  static async open(brought, onProgress) {
    const zip = brought.find(({ file }) => isZip(file))?.file;
    const archive = zip ? await filesOfZip(zip) : null;
    const given = archive ? await unpacked(archive) : brought;
    const labels = new Map(given.filter(({ path }) => LABELS.test(path)).map(({ path, file }) => [path, file]));
    const imageFiles = given.filter(({ path }) => IMAGES.test(path));
    const count = imageFiles.length;
    const sizes = await imageSizes(imageFiles.map(({ file }) => file), (done) => onProgress(`Image ${done} of ${count} …`, done / count));
    const images = new Map(imageFiles.map(({ path, file }, place) => [path, { file, size: sizes[place] }]).filter(([, { size }]) => size));
    const dataset = new Dataset({ name: zip?.name ?? folderOf(given), archive, labels, images });
    onProgress("Reading the labels …", null);
    return { dataset, entries: await dataset.#read() };
  }

  /**
   * The label files as they were opened with all corrections since, as what was opened: the zip with its images, the one file, or a zip of the files
   * that changed. `revisions`: [{name, source, objects: [{row, class, rle}]}]. Returns {blob, name}.
   */
  async revised(revisions) {
    let labels = this.#labels;
    for (const part of partsOf(revisions)) {
      const zip = await reviseLabels(await packed(labels), this.#measured, part);
      labels = new Map(await Promise.all((await filesOfZip(zip)).map(async ({ name, blob }) => [name, await blob()])));
    }
    if (this.#archive) return { blob: await this.#packedAnew(labels), name: this.name };
    const touched = new Set(revisions.map(({ source }) => source));
    const [only, ...more] = touched;
    if (!more.length && only?.toLowerCase().endsWith(".json")) return { blob: labels.get(only), name: only.split("/").at(-1) };
    const files = [...labels].map(([name, blob]) => ({ name, blob }));
    return { blob: await zipOf(files), name: `${this.name}.labels.zip` };
  }

  /** Read all label files; returns the images that they know. */
  async #read() {
    const content = await readLabels(await packed(this.#labels), this.#measured);
    this.formats = content.formats;
    this.problems = content.problems;
    this.classNames = content.class_names;
    return content.images.map(({ name, ...more }) => ({ ...more, name, file: this.#images.get(name).file }));
  }

  /** The zip that was opened, with other label files. */
  async #packedAnew(labels) {
    const files = await Promise.all(this.#archive.map(async ({ name, blob }) => ({ name, blob: labels.get(name) ?? (await blob()) })));
    const known = new Set(files.map(({ name }) => name));
    const added = [...labels].filter(([name]) => !known.has(name)).map(([name, blob]) => ({ name, blob }));
    return zipOf([...files, ...added]);
  }

  get #measured() {
    return [...this.#images].map(([name, { size }]) => ({ name, ...size }));
  }
}

function packed(labels) {
  return zipOf([...labels].map(([name, blob]) => ({ name, blob })));
}

/** The revisions in parts, each as much as one request may bring: several requests come to the same. */
export function partsOf(revisions, max = MAX_SENT) {
  const parts = [[]];
  let length = 0;
  for (const revision of revisions) {
    const size = JSON.stringify(revision).length;
    if (parts.at(-1).length && length + size > max) {
      parts.push([]);
      length = 0;
    }
    parts.at(-1).push(revision);
    length += size;
  }
  return parts;
}

async function unpacked(archive) {
  const wanted = archive.filter(({ name }) => LABELS.test(name) || IMAGES.test(name));
  return Promise.all(
    wanted.map(async ({ name, blob }) => {
      const type = TYPES[name.split(".").at(-1).toLowerCase()] ?? "";
      return { path: name, file: new File([await blob()], name.split("/").at(-1), { type }) };
    }),
  );
}

function folderOf([first]) {
  return first?.path.includes("/") ? first.path.split("/")[0] : "labels";
}
