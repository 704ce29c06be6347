// Several images, looked at one after the other while the user is at work on one of them.

/**
 * @typedef {{id: string, file: File, name: string, status: "waiting"|"working"|"done"|"failed", result: object|null,
 *   documents: Map|null}} Entry  `documents`: what was changed in it, with all that can be undone
 * Images are decoded by their view only, so a queue holds files and masks, however long it is. Event: "change".
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

  /**
   * `images`: [{file, name, result}], where `result` is known of those of a data set; `find(file, signal)` is a
   * promise of what is found in others.
   */
  constructor(images, find, { dataset = null } = {}) {
    super();
    this.#find = find;
    this.dataset = dataset;
    this.isSaved = dataset !== null;
    this.entries = images.map(({ result = null, ...image }) => ({
      ...image,
      id: newId(),
      status: result ? "done" : "waiting",
      result,
      opened: result,
      isChanged: false,
      isSeen: false,
      documents: null,
    }));
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
    if (entry.result) return Promise.resolve(entry.result);
    if (entry.status !== "working") entry.promise = this.#turn = this.#turn.catch(() => {}).then(() => this.#look(entry));
    return entry.promise;
  }

  /** A result with the score from which its objects are shown, and the classes that are not. */
  shownResult(result) {
    return { ...result, hiddenClasses: [...this.hiddenClasses], minScore: result.minScore ?? (this.dataset ? null : this.minScore) ?? result.default_score ?? 0 };
  }

  /** Put what a person made of an image, the current one, in the place of what was found, and `documents` beside it. */
  keep(result, documents = null, entry = this.current) {
    if (!entry) return;
    const { opened, result: former } = entry;
    if (entry === this.current) this.hiddenClasses = new Set(result.hiddenClasses);
    if (former?.asked === result.asked && result.minScore !== this.shownResult(former).minScore) this.minScore = result.minScore;
    const content = contentOf(result);
    this.isSaved &&= content === contentOf(former);
    const isChanged = Boolean(opened) && content !== contentOf(opened);
    Object.assign(entry, { result, documents, isChanged });
    this.#emit();
  }

  close() {
    this.#ended.abort();
  }

  async #look(entry) {
    if (entry.result) return entry.result;
    this.#ended.signal.throwIfAborted();
    entry.status = "working";
    this.#emit();
    try {
      entry.result = await this.#find(entry.file, this.#ended.signal);
      entry.status = "done";
      return entry.result;
    } catch (error) {
      entry.status = "failed";
      throw error;
    } finally {
      this.#emit();
    }
  }

  #emit() {
    this.dispatchEvent(new Event("change"));
  }
}

/** What a label file would say of a result, as text. */
function contentOf(result) {
  return JSON.stringify(result?.objects.map(({ row, class: name, rle }) => [row, name, rle.counts]));
}

function newId() {
  return crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
}
