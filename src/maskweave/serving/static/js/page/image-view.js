// An image with its objects: the painter, the lists and the actions, tied together.

import { find, make } from "../dom.js";
import { maskImage } from "../masks/mask-image.js";
import { spansOf, unionOf } from "../masks/rle.js";
import { announce, notify } from "../notify.js";
import { exportObjects, segment } from "../server/calls.js";
import { ImageDocument } from "../state/image-document.js";
import { bytes, counted, share, tally, whole } from "../words.js";
import { endBusy, showProgress, startBusy } from "./busy.js";
import { canCopy, copyImage } from "./clipboard.js";
import { decodeImage, PlainPainter } from "./decode.js";
import { describeDownloads, isOfSelection, onScope, showDownloads } from "./downloads.js";
import { EditingView } from "./editing-view.js";
import { showHint } from "./hint.js";
import { keep, thumbnailOf } from "./history.js";
import { ImagePainter } from "./image-painter.js";
import { ImageTools } from "./image-tools.js";
import { offerPresets } from "./presets.js";
import { ownName, saveBlob, wordsOf } from "./save.js";

const TOOLS = ["select", "add", "remove", "box", "outline", "brush", "eraser"];
const SAVED_AFTER = 600; // milliseconds without a change

/** One image. `page` has what all views share: stage, look, list, filters, formats, choices. */
export class ImageView extends EditingView {
  kind = "image";

  #file;
  #name;
  #id;
  #findElsewhere;
  #isFileKept = false;
  #bitmap = null;
  #saving = 0;
  #documents; // what was asked for → what was found, and changed
  #bound = new AbortController(); // what listens to the document that is shown
  #finding = new AbortController();
  #ended = new AbortController();

  /**
   * `find()`: a promise of what is found, where somebody else asks the server; `documents`: those of an earlier view of
   * the image, in which all can be undone that was done there.
   */
  constructor(page, file, { id = crypto.randomUUID?.() ?? String(Date.now()), name = file.name, find = null, documents = null, tool = "select" } = {}) {
    super(page, "object");
    this.#documents = documents ?? new Map();
    this.toolName = tool;
    this.#findElsewhere = find;
    this.#file = file;
    this.#name = name || "image";
    this.#id = id;
  }

  get file() {
    return this.#file;
  }

  /** Show the image and find its objects, or show `result` from an earlier time. Throws `Problem`. */
  async open(result = null) {
    onScope(() => this.findings && this.#update(), this.#ended.signal);
    this.#bitmap = await decodeImage(this.#file);
    if (this.#ended.signal.aborted) return;
    if (this.#bitmap) this.page.stage.show(sizeOf(this.#bitmap), new PlainPainter(this.#bitmap));
    for (const former of result?.others ?? []) {
      if (!this.#documents.has(former.asked)) this.#documents.set(former.asked, this.#documentOf(former));
    }
    const found = result ?? (await this.#find(this.#findElsewhere ? null : () => this.page.leave(), this.#findElsewhere));
    this.#bitmap ??= await this.#askForImage();
    if (this.#ended.signal.aborted) return;
    if (result?.asked) this.page.showChoices(JSON.parse(result.asked));
    const known = this.#documents.get(found.asked);
    if (found.hiddenClasses) known?.hideClasses(found.hiddenClasses); // as in the images that were seen since
    this.#show(known ?? this.#documentOf(found));
    if (!result) await this.#keep();
  }

  get documents() {
    return this.#documents;
  }

  /** What is known and was changed, as `open` takes it; null before anything is. */
  get record() {
    if (!this.findings) return null;
    const others = [...this.#documents.values()].filter((document) => document !== this.findings);
    return { ...this.findings.record, others: others.map((document) => document.record) };
  }

  /**
   * Show what the chosen task and model find. What was found and changed under others stays and comes back with them.
   */
  async choose() {
    const asked = this.#asked;
    if (!this.findings || asked === this.findings.asked) return;
    const former = this.findings;
    if (this.#documents.has(asked)) {
      this.#show(this.#documents.get(asked));
      this.#keepSoon();
      return;
    }
    try {
      const found = await this.#find(() => this.#finding.abort());
      if (this.#asked !== asked || this.#ended.signal.aborted) return;
      this.#show(this.#documentOf(found));
      await this.#keep();
    } catch (error) {
      if (this.#ended.signal.aborted || this.#asked !== asked) return;
      this.page.showChoices(JSON.parse(former.asked));
      if (error.name === "AbortError") return;
      const again = () => {
        this.page.showChoices(JSON.parse(asked));
        this.choose();
      };
      notify(this.page.describeProblem(error), { kind: "error", action: { label: "Try again", run: again } });
    }
  }

  /** Forget the image: what is on its way is not waited for. */
  close() {
    this.#ended.abort();
    this.#finding.abort();
    this.#bound.abort();
    if (this.#saving) this.#keep();
    find("#stage").classList.remove("stage--waiting");
    endBusy();
  }

  /** What is asked for now, as text. */
  get #asked() {
    const { task, model } = this.page.choices;
    return JSON.stringify({ task, model });
  }

  chooseTool(name) {
    if (!TOOLS.includes(name)) return;
    this.toolName = name;
    if (!this.tools) return this.page.showTool(name); // it is in the hand once objects are there
    this.painter.overlay = null;
    this.painter.tool = this.tools.make(name);
    this.page.showTool(name);
    this.showHint();
    this.page.stage.invalidate();
  }

  /** Make an object of each connected part of the selected ones. */
  split() {
    const count = this.findings?.split(this.free.map((object) => object.id));
    announce(count ? `${counted(count, "new object")}.` : "");
    if (count === 0) notify("The object has one part only; there is nothing to split.");
  }

  /** Copy what is selected, or all that is shown, as a "cutout" or as a "mask" in white on black. */
  copy(kind) {
    if (!this.findings) return;
    const { chosen, size } = this.findings;
    const cutout = async () => (await exportObjects(this.#file, "cutout", chosen, {})).blob;
    if (kind === "cutout") copyImage(cutout, "Cut-out");
    else copyImage(() => maskImage(unionOf(chosen.map(({ rle }) => spansOf(rle))), size), "Mask");
  }

  /** Ask the server; `onCancel` runs when the user no longer wants it. */
  async #find(onCancel, elsewhere = null) {
    this.#finding.abort();
    this.#finding = new AbortController();
    const { signal } = this.#finding;
    const asked = this.#asked;
    const { task, model } = this.page.choices;
    startBusy(elsewhere ? "Looking for objects …" : "Sending the image …", onCancel);
    const onUpload = (sent) => showProgress(sent < 1 ? "Sending the image …" : "Looking for objects …", sent < 1 ? sent : null);
    try {
      const found = elsewhere ? await elsewhere() : await segment(this.#file, { task, model, onUpload, signal });
      return { asked, ...found };
    } finally {
      if (signal === this.#finding.signal) endBusy();
    }
  }

  #documentOf(result) {
    return new ImageDocument(this.#file, this.#name, result);
  }

  /** The image as the server sees it, for files that the browser cannot show. */
  async #askForImage() {
    const { blob } = await exportObjects(this.#file, "overlay", [], { opacity: 0 });
    return decodeImage(blob);
  }

  #show(document) {
    const { stage, look, list, filters } = this.page;
    this.#bound.abort();
    this.#bound = new AbortController();
    const { signal } = this.#bound;
    this.findings = document;
    this.#documents.set(document.asked, document);
    this.painter = new ImagePainter(this.#bitmap, document, look, signal);
    this.tools = new ImageTools(document, this.painter, stage, {
      refiner: () => this.page.choices.refiner,
      onBusy: () => this.#wait(),
    });
    for (const event of ["items", "filter", "selection", "hover"]) {
      document.addEventListener(event, () => stage.invalidate(), { signal });
    }
    for (const event of ["items", "filter", "selection"]) document.addEventListener(event, () => this.#update(), { signal });
    document.addEventListener("items", () => this.#keepSoon(), { signal });
    filters.bind(document);
    offerPresets(document);
    const pixels = document.size[0] * document.size[1];
    list.bind(document, {
      colorOf: this.painter.colorOf,
      describe: ({ score, area }) => [score?.toFixed(2) ?? "by hand", ...(area ? [`${whole(area)} px`, share(area, pixels)] : ["box only"])],
      onRename: (ids, name) => this.name(ids, name),
    });
    find("#class-names").replaceChildren(...document.classNames.map((name) => make("option", { value: name })));
    stage.show({ width: document.size[1], height: document.size[0] }, this.painter);
    this.#showFiles();
    this.chooseTool(this.toolName);
    this.#update();
    this.#announceResult();
  }

  #showFiles() {
    const { formats } = this.page;
    const files = formats.image.map((name) => ({
      name,
      words: wordsOf(name, formats),
      fetch: async () => {
        const file = await this.#export(name);
        saveBlob(file.blob, file.name);
      },
      content: async () => [await this.#export(name)],
    }));
    showDownloads(files, "", { archive: `${this.#name.replace(/\.[^.]*$/, "")}.zip` });
    find("#copy").hidden = !canCopy;
  }

  /** {name, blob} of what is shown, or selected, in a format. */
  async #export(format) {
    const { look } = this.page;
    const options = {
      opacity: look.opacity,
      background: look.backgroundName,
      color_by: look.colorBy === "class" ? "class" : "instance",
    };
    const objects = isOfSelection() ? this.findings.selected : this.findings.shown;
    const { blob, name } = await exportObjects(this.#file, format, objects, options);
    return { name: ownName(name, this.#name), blob };
  }

  #update() {
    const { selected, shown } = this.findings;
    const isAnyFree = this.free.length > 0;
    find("#rename").disabled = !isAnyFree;
    find("#merge").disabled = this.free.length < 2;
    find("#split-parts").disabled = !isAnyFree;
    find("#delete").disabled = !isAnyFree;
    find("#undo").disabled = !this.findings.canUndo;
    find("#redo").disabled = !this.findings.canRedo;
    const names = tally(shown.map((object) => object.class)) || "no objects";
    this.page.stage.canvas.setAttribute("aria-label", `${this.#name}: ${names}`);
    describeDownloads({
      shown: `What the list shows: ${counted(shown.length, "object")}.`,
      selected: selected.length ? `What is selected: ${counted(selected.length, "object")}.` : "",
    });
    this.showHint();
  }

  /** Say what the tool is about to do, as that has changed. */
  showHint() {
    showHint(this.isSettling ? "One moment …" : (this.tools?.hint(this.toolName) ?? ""));
  }

  #wait() {
    if (this.#ended.signal.aborted) return; // another image is open
    find("#stage").classList.toggle("stage--waiting", this.isSettling);
    this.showHint();
  }

  #announceResult() {
    const { shown, size, model, seconds } = this.findings;
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

  async #keep() {
    clearTimeout(this.#saving);
    this.#saving = 0;
    const file = this.#isFileKept ? null : this.#file;
    this.#isFileKept = true;
    const entry = {
      id: this.#id,
      kind: "image",
      name: this.#name,
      when: Date.now(),
      words: counted(this.findings.shown.length, "object"),
      thumbnail: await thumbnailOf(this.#bitmap, this.#bitmap),
      result: this.record,
    };
    await keep(entry, file);
    if (!this.#ended.signal.aborted) this.page.keepInQueue();
  }
}

function sizeOf({ width, height }) {
  return { width, height };
}
