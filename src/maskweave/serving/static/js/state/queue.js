// Several images, looked at one after the other while the user is at work on one of them.

import { StoredResult } from "./stored-result.js";

const REMEMBERED = 20; // images, seen last, in which changes can be undone one by one

/**
 * @typedef {{id: string, file: File, name: string, status: "waiting"|"working"|"done"|"failed", result: StoredResult|null,
 *   documents: Map|null}} Entry  `documents`: what was changed in it, with all that can be undone
 * Images are decoded by their view only and results are stored, so that a queue may be long. Event: "change".
 */
export class Queue extends EventTarget {
  entries;
  at = -1;
  isSaved; // whether all of it was downloaded as it is now
  minScore = null; // what the user chose in one of the images, for those that come
  hiddenClasses = new Set(); // of all images
  dataset; // where it was opened from, null for images alone

  #find;
  #ended = new AbortController();
  #turn = Promise.resolve(); // one image is at the server at a time
  #remembered = []; // entries with documents, the one that was seen last at the end

  /**
   * `images`: [{file, name, result}], where `result` is known of those of a data set; `find(file, signal)` is a
   * promise of what is found in others.
   */
  constructor(images, find, { dataset = null } = {}) {
    super();
    this.#find = find;
    this.dataset = dataset;
    this.isSaved = dataset !== null;
    this.entries = images.map(({ result = null, ...image }) => {
      const opened = result && new StoredResult(result);
      const status = result ? "done" : "waiting";
      return { ...image, id: newId(), status, result: opened, opened, isChanged: false, isSeen: false, documents: null };
    });
  }

  /** The entries of a data set that are not as they were opened. */
  get changed() {
    return this.entries.filter(({ isChanged }) => isChanged);
  }

  get current() {
    return this.entries[this.at];
  }

  /** How many are done or failed. */
  get finished() {
    return this.entries.filter(({ status }) => status === "done" || status === "failed").length;
  }

  goTo(place) {
    this.at = Math.min(Math.max(place, 0), this.entries.length - 1);
    this.current.isSeen = true;
    this.#emit();
    return this.current;
  }

  /** Look at all that wait. What fails is tried again when it is opened. */
  async run() {
    for (const entry of this.entries) {
      if (this.#ended.signal.aborted) return;
      await this.resultOf(entry).catch(() => {});
    }
  }

  /** What is found in an entry; one that was not yet looked at comes next. */
  resultOf(entry) {
    if (entry.result) return entry.result.read();
    if (entry.status !== "working") entry.promise = this.#turn = this.#turn.catch(() => {}).then(() => this.#look(entry));
    return entry.promise;
  }

  /** What is found in an entry, with the score from which its objects are shown, and the classes that are not. */
  async shownResultOf(entry) {
    const result = await this.resultOf(entry);
    return { ...result, hiddenClasses: [...this.hiddenClasses], minScore: this.#minScoreOf(result) };
  }

  /** Put what a person made of an image, the current one, in the place of what was found, and `documents` beside it. */
  keep(result, documents = null, entry = this.current) {
    if (!entry) return;
    const { opened, result: former } = entry;
    const now = new StoredResult(result);
    if (entry === this.current) this.hiddenClasses = new Set(result.hiddenClasses);
    if (former?.asked === now.asked && now.minScore !== this.#minScoreOf(former)) this.minScore = now.minScore;
    this.isSaved &&= now.content === former?.content;
    const isChanged = Boolean(opened) && now.content !== opened.content;
    Object.assign(entry, { result: now, documents, isChanged });
    this.#remember(entry);
    this.#emit();
  }

  close() {
    this.#ended.abort();
  }

  async #look(entry) {
    if (entry.result) return entry.result.read();
    this.#ended.signal.throwIfAborted();
    entry.status = "working";
    this.#emit();
    try {
      const found = await this.#find(entry.file, this.#ended.signal);
      entry.result = new StoredResult(found);
      entry.status = "done";
      return found;
    } catch (error) {
      entry.status = "failed";
      throw error;
    } finally {
      entry.promise = null; // it would hold what it came to
      this.#emit();
    }
  }

  #minScoreOf({ minScore, default_score }) {
    return minScore ?? (this.dataset ? null : this.minScore) ?? default_score ?? 0;
  }

  #remember(entry) {
    this.#remembered = [...this.#remembered.filter((each) => each !== entry), entry];
    for (const forgotten of this.#remembered.splice(0, this.#remembered.length - REMEMBERED)) forgotten.documents = null;
  }

  #emit() {
    this.dispatchEvent(new Event("change"));
  }
}

function newId() {
  return crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
}
