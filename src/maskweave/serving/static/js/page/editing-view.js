// What keys and buttons do with what is selected: the same for the objects of an image and the tracks of a video.

import { announce } from "../notify.js";
import { counted, tally } from "../words.js";
import { resizeBrush } from "./brush-tool.js";

/** A view of findings that can be edited. Who extends it says what they are, makes `tools` and `painter`, and has `chooseTool` and `showHint`. */
export class EditingView {
  findings = null;
  painter = null;
  page;
  tools = null; // those that ask the server, or draw
  toolName = "select";

  #noun;

  /** `noun`: what one of the findings is called. */
  constructor(page, noun) {
    this.page = page;
    this.#noun = noun;
  }

  /** The selected ones that may be changed. */
  get free() {
    return (this.findings?.selected ?? []).filter((item) => !this.findings.isLocked(item.id));
  }

  /** Whether an answer about a correction is on its way; `settled` is a promise that none is. */
  get isSettling() {
    return Boolean(this.tools?.isWaiting);
  }

  get settled() {
    return this.tools?.settled;
  }

  undo() {
    if (!this.findings?.canUndo) return;
    this.findings.undo();
    announce(`Undone. ${this.counted(this.findings.shown)} shown.`);
  }

  redo() {
    if (!this.findings?.canRedo) return;
    this.findings.redo();
    announce(`Done again. ${this.counted(this.findings.shown)} shown.`);
  }

  remove() {
    if (this.painter?.tool?.removePoint?.()) return;
    const { free } = this;
    if (!free.length) return;
    this.findings.remove(free.map((item) => item.id));
    announce(`Deleted: ${tally(free.map((item) => item.class))}. Undo brings it back.`);
  }

  merge() {
    const { free } = this;
    if (free.length < 2) return;
    this.findings.merge(free.map((item) => item.id));
    announce(`${this.counted(free)} are one now.`);
  }

  /** Let the user type a name for the selected ones. */
  rename() {
    if (this.free.length) this.page.list.startRename(this.free.map((item) => item.id));
  }

  /** Give these a class. */
  name(ids, name) {
    this.findings.rename(ids, name);
    announce(`${this.counted(ids)} named ${name}`);
  }

  /** Give the selected ones a class, those that are on their way, too. Returns whether there were any. */
  classify(name) {
    if (this.isSettling) {
      this.settled.then(() => this.#classify(name));
      return true;
    }
    return this.#classify(name);
  }

  /** Make the brush larger, or smaller; of an outline choose the next point, or the one before. */
  resizeBrush(steps) {
    const { tool } = this.painter ?? {};
    if (tool?.step) return tool.step(steps);
    resizeBrush(steps);
    this.showHint();
    return this.page.stage.invalidate();
  }

  /** Leave what is begun; else select nothing. */
  escape() {
    if (this.painter?.tool?.drop?.()) return;
    if (this.findings?.selected.length) this.findings.selectAll([]);
    else this.chooseTool("select");
  }

  /** How many of them, in words. */
  counted(items) {
    return counted(items.length, this.#noun);
  }

  #classify(name) {
    const ids = this.free.map((item) => item.id);
    if (!ids.length || !name) return false;
    this.name(ids, name);
    return true;
  }
}
