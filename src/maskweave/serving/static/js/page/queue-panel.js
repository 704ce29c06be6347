// The queue in the column beside the picture: where one is, what is done, all of it as files.

import { find, make } from "../dom.js";
import { exportObjects } from "../server/calls.js";
import { announce, tell } from "../tell.js";
import { counted } from "../words.js";
import { joinedCoco } from "./coco-set.js";
import { ownName, saveBlob, wordsOf } from "./save.js";
import { zipOf } from "./zip.js";

const AS_OPENED = "opened"; // in the label files of the data set

/** Shows a `Queue`; `onGo(place)` opens another of its pictures, `keep()` puts the open one's changes into it. */
export class QueuePanel {
  #page;
  #queue = null;
  #keep;
  #written = 0; // objects in the files that are being made

  constructor(page, { onGo, keep }) {
    this.#page = page;
    this.#keep = keep;
    find("#queue-previous").addEventListener("click", () => onGo(this.#queue.at - 1));
    find("#queue-next").addEventListener("click", () => onGo(this.#queue.at + 1));
    find("#queue-list").addEventListener("change", (event) => onGo(Number(event.target.value)));
    find("#queue-save").addEventListener("click", () => this.#save());
  }

  /** Show this queue, or none. */
  bind(queue) {
    this.#queue = queue;
    find("#queue").hidden = !queue;
    if (!queue) return;
    const { formats } = this.#page;
    const options = formats.image.map((name) => make("option", { value: name, text: name, title: wordsOf(name, formats) }));
    const asOpened = queue.dataset && make("option", { value: AS_OPENED, text: `as opened (${queue.dataset.formats.join(", ")})` });
    find("#queue-format").replaceChildren(...[asOpened].filter(Boolean), ...options);
    if (!asOpened && formats.image.includes("coco")) find("#queue-format").value = "coco";
    queue.addEventListener("change", () => this.#update());
    this.#update();
  }

  #update() {
    const queue = this.#queue;
    if (!queue) return;
    const { entries, at, finished } = queue;
    const list = find("#queue-list");
    if (list.length !== entries.length) list.replaceChildren(...entries.map((_, place) => make("option", { value: String(place) })));
    entries.forEach(({ name, status }, place) => {
      const text = `${place + 1}. ${name}${{ failed: " – failed", working: " …", waiting: "", done: " ✓" }[status]}`;
      if (list.options[place].text !== text) list.options[place].text = text;
    });
    list.value = String(at);
    find("#queue-count").textContent = `${at + 1} of ${entries.length}`;
    find("#queue-previous").disabled = at <= 0;
    find("#queue-next").disabled = at >= entries.length - 1;
    find("#queue-progress").value = finished / entries.length;
    find("#queue-words").textContent = queue.dataset ? this.#wordsOfSet() : looked(finished, entries.length);
  }

  #wordsOfSet() {
    const { name } = this.#queue.dataset;
    const count = this.#queue.changed.length;
    return count ? `${name}: ${counted(count, "image")} corrected.` : `${name}: nothing is corrected yet.`;
  }

  async #save() {
    const button = find("#queue-save");
    const format = find("#queue-format").value;
    const queue = this.#queue;
    this.#keep();
    button.disabled = true;
    try {
      const count = format === AS_OPENED ? await saveInto(queue) : await this.#saveAs(queue, format);
      queue.isSaved = true;
      announce(`${counted(count, "image")} saved`);
    } catch (error) {
      tell(error.message, { kind: "error", action: { label: "Try again", run: () => this.#save() } });
    } finally {
      button.disabled = false;
      this.#update();
    }
  }

  /** Save all images in a format; returns how many. */
  async #saveAs(queue, format) {
    const files = [];
    this.#written = 0;
    for (const entry of queue.entries) files.push(await this.#export(queue, entry, format, files.length));
    const name = format === "coco" ? "images.coco.json" : `images.${format}.zip`;
    saveBlob(format === "coco" ? await cocoOf(files, queue.entries) : await zipOf(files), name);
    tell(`${name} has ${counted(files.length, "image")} with ${counted(this.#written, "object")}.`);
    return files.length;
  }

  async #export(queue, entry, format, place) {
    find("#queue-words").textContent = `Writing ${place + 1} of ${queue.entries.length} …`;
    const { objects, minScore } = queue.shownResult(await queue.resultOf(entry));
    const shown = objects.filter((object) => object.score === null || object.score >= minScore);
    this.#written += shown.length;
    const { blob, name } = await exportObjects(entry.file, format, shown, {});
    const folder = entry.name.slice(0, entry.name.lastIndexOf("/") + 1); // so that equal names stay apart
    return { name: folder + ownName(name, entry.file.name), blob };
  }
}

function looked(finished, count) {
  return finished < count ? `${finished} of ${count} looked at` : "All are looked at.";
}

/** Save what was corrected in the label files of the data set, of which all else stays; returns how many images. */
async function saveInto(queue) {
  const { changed } = queue;
  const revisions = changed.map(({ name, source, result }) => ({
    name,
    source,
    objects: result.objects.map(({ row, class: given, rle }) => ({ row: row ?? null, class: given, rle })),
  }));
  const { blob, name } = await queue.dataset.revised(revisions);
  saveBlob(blob, name);
  tell(`${name} has ${counted(changed.length, "corrected image")}; all else is as it was.`);
  return changed.length;
}

/** The images' files as one, in which each image has its own name in the folder. */
async function cocoOf(files, entries) {
  const documents = await Promise.all(files.map(async ({ blob }) => JSON.parse(await blob.text())));
  documents.forEach(({ images: [image] }, place) => (image.file_name = entries[place].name));
  return new Blob([JSON.stringify(joinedCoco(documents))], { type: "application/json" });
}
