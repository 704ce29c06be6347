// The queue in the column beside the image: where one is, what is done, all of it as files.

import { find, make } from "../dom.js";
import { announce, notify } from "../notify.js";
import { counted } from "../words.js";
import { setOf } from "./image-set.js";
import { saveBlob, wordsOf } from "./save.js";

const AS_OPENED = "opened"; // in the label files of the data set

/** Shows a `Queue`; `onGo(place)` opens another of its images, `keep()` puts the open one's changes into it, also those on their way. */
export class QueuePanel {
  #page;
  #queue = null;
  #keep;

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
    entries.forEach(({ name, status, isSeen }, place) => {
      const text = `${place + 1}. ${name}${{ failed: " – failed", working: " …", waiting: "", done: isSeen ? " ✓" : "" }[status]}`;
      if (list.options[place].text !== text) list.options[place].text = text;
    });
    list.value = String(at);
    find("#queue-count").textContent = `${at + 1} of ${entries.length}`;
    find("#queue-previous").disabled = at <= 0;
    find("#queue-next").disabled = at >= entries.length - 1;
    find("#queue-progress").value = finished / entries.length;
    find("#queue-words").textContent = queue.dataset ? this.#wordsOfSet() : readiness(queue);
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
    button.disabled = true;
    try {
      await this.#keep();
      const count = format === AS_OPENED ? await saveInto(queue) : await this.#saveAs(queue, format);
      queue.isSaved = true;
      announce(`${counted(count, "image")} saved`);
    } catch (error) {
      notify(error.message, { kind: "error", action: { label: "Try again", run: () => this.#save() } });
    } finally {
      button.disabled = false;
      this.#update();
    }
  }

  /** Save all images in a format; returns how many. */
  async #saveAs(queue, format) {
    const images = [];
    for (const entry of queue.entries) {
      const { size, objects, minScore } = await queue.shownResultOf(entry);
      const shown = objects.filter((each) => (each.score === null || each.score >= minScore) && !queue.hiddenClasses.has(each.class));
      images.push({ name: entry.name, file: entry.file, size, objects: shown });
    }
    const onProgress = (place) => (find("#queue-words").textContent = `Writing ${place + 1} of ${images.length} …`);
    const { titles } = this.#page.formats;
    const { blob, name } = await setOf(images, format, { isAnnotation: Boolean(titles[format]), onProgress });
    saveBlob(blob, name);
    const count = images.reduce((sum, { objects }) => sum + objects.length, 0);
    notify(`${name} has ${counted(images.length, "image")} with ${counted(count, "object")}.`);
    return images.length;
  }
}

/** Which images are ready to be seen; then how many the user has seen. */
function readiness({ entries, finished }) {
  if (finished < entries.length) return `${finished} of ${entries.length} images are ready.`;
  const seen = entries.filter(({ isSeen }) => isSeen).length;
  return seen < entries.length ? `All are ready; you have seen ${seen}.` : "You have seen all of them.";
}

/** Save what was corrected in the label files of the data set, of which all else stays; returns how many images. */
async function saveInto(queue) {
  const { changed } = queue;
  const revisions = [];
  for (const entry of changed) {
    const { objects } = await queue.resultOf(entry);
    const revised = objects.map(({ row, class: given, rle }) => ({ row: row ?? null, class: given, rle }));
    revisions.push({ name: entry.name, source: entry.source, objects: revised });
  }
  const { blob, name } = await queue.dataset.revised(revisions);
  saveBlob(blob, name);
  notify(`${name} has ${counted(changed.length, "corrected image")}; all else is as it was.`);
  return changed.length;
}
