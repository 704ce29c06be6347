// A picture with its objects: the painter, the lists and the actions, tied together.

import { find, make } from "../dom.js";
import { exportObjects, segment } from "../server/calls.js";
import { PictureDocument } from "../state/picture-document.js";
import { announce } from "../tell.js";
import { bytes, counted, share, tally, whole } from "../words.js";
import { endBusy, sayBusy, startBusy } from "./busy.js";
import { pictureColour } from "./colours.js";
import { decodePicture, PlainPainter } from "./decode.js";
import { sayWhatIsDownloaded, showDownloads } from "./downloads.js";
import { keep, thumbnailOf } from "./history.js";
import { sayHint } from "./hint.js";
import { PicturePainter } from "./picture-painter.js";
import { PictureTools } from "./picture-tools.js";
import { FORMAT_WORDS, ownName, saveBlob } from "./save.js";

const SAVED_AFTER = 600; // milliseconds without a change

/** One picture. `page` has what all views share: stage, look, list, filters, formats, choices. */
export class PictureView {
  kind = "picture";
  document = null;

  #page;
  #file;
  #name;
  #id;
  #bitmap = null;
  #painter = null;
  #tools = null;
  #toolName = "select";
  #waiting = 0;
  #saving = 0;
  #ended = new AbortController();

  constructor(page, file, { id = crypto.randomUUID?.() ?? String(Date.now()), name = file.name } = {}) {
    this.#page = page;
    this.#file = file;
    this.#name = name || "picture";
    this.#id = id;
  }

  get file() {
    return this.#file;
  }

  get findings() {
    return this.document;
  }

  /** Show the picture and find its objects, or show `result` from an earlier time. Throws `Problem`. */
  async open(result = null) {
    this.#bitmap = await decodePicture(this.#file);
    if (this.#ended.signal.aborted) return;
    if (this.#bitmap) this.#page.stage.show(sizeOf(this.#bitmap), new PlainPainter(this.#bitmap));
    const found = result ?? (await this.#find());
    this.#bitmap ??= await this.#askForPicture();
    if (this.#ended.signal.aborted) return;
    this.#show(found);
    if (!result) await this.#keep(this.#file);
  }

  /** Forget the picture: what is on its way is not waited for. */
  close() {
    this.#ended.abort();
    if (this.#saving) this.#keep();
    endBusy();
  }

  chooseTool(name) {
    if (!this.#tools || !["select", "add", "remove", "box"].includes(name)) return;
    this.#toolName = name;
    this.#painter.overlay = null;
    this.#painter.tool = this.#tools.make(name);
    this.#page.showTool(name);
    this.#hint();
    this.#page.stage.invalidate();
  }

  undo() {
    this.document?.undo();
  }

  redo() {
    this.document?.redo();
  }

  remove() {
    const chosen = this.document?.selected ?? [];
    if (!chosen.length) return;
    this.document.remove(chosen.map((object) => object.id));
    announce(`Deleted: ${tally(chosen.map((object) => object.class))}. Undo brings it back.`);
  }

  merge() {
    const chosen = this.document?.selected ?? [];
    if (chosen.length < 2) return;
    this.document.merge(chosen.map((object) => object.id));
    announce(`${chosen.length} objects are one now.`);
  }

  rename() {
    const [object, ...more] = this.document?.selected ?? [];
    if (object && !more.length) this.#page.list.startRename(object.id);
  }

  /** Leave what is begun; else select nothing. */
  escape() {
    if (this.#painter?.tool?.drop?.()) return;
    if (this.document?.selected.length) this.document.selectAll([]);
    else this.chooseTool("select");
  }

  async #find() {
    const { task, model } = this.#page.choices;
    startBusy("Sending the picture …", () => this.#page.leave());
    const onUpload = (sent) => sayBusy(sent < 1 ? "Sending the picture …" : "Looking for objects …", sent < 1 ? sent : null);
    try {
      return await segment(this.#file, { task, model, onUpload, signal: this.#ended.signal });
    } finally {
      endBusy();
    }
  }

  /** The picture as the server sees it, for files that the browser cannot show. */
  async #askForPicture() {
    const { blob } = await exportObjects(this.#file, "overlay", [], { opacity: 0 });
    return decodePicture(blob);
  }

  #show(result) {
    const { stage, look, list, filters } = this.#page;
    const document = new PictureDocument(this.#file, this.#name, result);
    this.document = document;
    this.#painter = new PicturePainter(this.#bitmap, document, look);
    this.#tools = new PictureTools(document, this.#painter, stage, {
      refiner: () => this.#page.choices.refiner,
      onBusy: (change) => this.#wait(change),
    });
    for (const event of ["items", "filter", "selection", "hover"]) {
      document.addEventListener(event, () => stage.invalidate());
    }
    for (const event of ["items", "filter", "selection"]) document.addEventListener(event, () => this.#update());
    document.addEventListener("items", () => this.#keepSoon());
    filters.bind(document);
    const pixels = document.size[0] * document.size[1];
    list.bind(document, {
      colourOf: pictureColour,
      describe: ({ score, area }) => [score?.toFixed(2) ?? "by hand", `${whole(area)} px`, share(area, pixels)],
      onRename: (id, name) => document.rename(id, name),
    });
    find("#class-names").replaceChildren(...document.classNames.map((name) => make("option", { value: name })));
    stage.show({ width: document.size[1], height: document.size[0] }, this.#painter);
    this.#showFiles();
    this.chooseTool("select");
    this.#update();
    this.#sayResult();
  }

  #showFiles() {
    const names = this.#page.formats.image ?? [];
    const files = names.map((name) => ({ name, words: FORMAT_WORDS[name], fetch: () => this.#save(name) }));
    showDownloads(files, "");
  }

  async #save(format) {
    const { look } = this.#page;
    const options = { opacity: look.opacity, background: look.backgroundName };
    const { blob, name } = await exportObjects(this.#file, format, this.document.chosen, options);
    saveBlob(blob, ownName(name, this.#name));
  }

  #update() {
    const { selected, shown } = this.document;
    find("#rename").disabled = selected.length !== 1;
    find("#merge").disabled = selected.length < 2;
    find("#delete").disabled = !selected.length;
    find("#undo").disabled = !this.document.canUndo;
    find("#redo").disabled = !this.document.canRedo;
    const names = tally(shown.map((object) => object.class)) || "no objects";
    this.#page.stage.canvas.setAttribute("aria-label", `${this.#name}: ${names}`);
    const what = selected.length
      ? `What is selected: ${counted(selected.length, "object")}.`
      : `What the list shows: ${counted(shown.length, "object")}.`;
    sayWhatIsDownloaded(what);
    this.#hint();
  }

  #hint() {
    sayHint(this.#waiting ? "One moment …" : this.#tools.hint(this.#toolName));
  }

  #wait(change) {
    this.#waiting += change;
    find("#stage").classList.toggle("stage--waiting", this.#waiting > 0);
    this.#hint();
  }

  #sayResult() {
    const { shown, size, model, seconds } = this.document;
    const took = seconds ? ` in ${seconds.toFixed(2)} s` : "";
    const about = `${this.#name} · ${size[1]} × ${size[0]} · ${bytes(this.#file.size)} · ${model}${took}`;
    find("#about-run").textContent = about;
    const names = tally(shown.map((object) => object.class));
    announce(shown.length ? `${counted(shown.length, "object")} found: ${names}` : "No object was found.");
  }

  #keepSoon() {
    clearTimeout(this.#saving);
    this.#saving = setTimeout(() => this.#keep(), SAVED_AFTER);
  }

  async #keep(file = null) {
    clearTimeout(this.#saving);
    this.#saving = 0;
    const entry = {
      id: this.#id,
      kind: "picture",
      name: this.#name,
      when: Date.now(),
      words: counted(this.document.shown.length, "object"),
      thumbnail: await thumbnailOf(this.#bitmap, this.#bitmap),
      result: this.document.record,
    };
    await keep(entry, file);
  }
}

function sizeOf({ width, height }) {
  return { width, height };
}
