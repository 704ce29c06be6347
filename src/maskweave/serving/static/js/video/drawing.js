// The files of a video that hold images, made anew by the server from tracks that were corrected.

import { endBusy, showProgress, startBusy } from "../page/busy.js";
import * as calls from "../server/calls.js";
import { showJobProgress } from "./job.js";

/** Makes the files of one video anew, all at once, when the first of them is wanted, and again after a change. */
export class Drawing {
  #file;
  #signal;
  #items = null; // the tracks of which it was made
  #job = null; // a promise of the job that made it

  /** `signal` ends what is at work. */
  constructor(file, signal) {
    this.#file = file;
    this.#signal = signal;
  }

  /** A promise of the job's results in the formats `save`; `items` tell tracks apart, `document()` is their file. */
  results(items, document, save) {
    if (this.#items !== items) {
      this.#items = items;
      this.#job = this.#draw(document(), save);
      this.#job.catch(() => (this.#items = null)); // it may go better another time
    }
    return this.#job.then(({ results }) => results);
  }

  async #draw(tracks, save) {
    const ending = new AbortController();
    let id = null;
    const cancel = () => {
      if (id) calls.removeJob(id).catch(() => {});
      ending.abort();
    };
    this.#signal.addEventListener("abort", cancel);
    startBusy("Sending the video …", cancel);
    try {
      const onUpload = (sent) => showProgress("Sending the video …", sent);
      ({ id } = await calls.startDrawing(this.#file, tracks, { save, onUpload, signal: ending.signal }));
      const job = await calls.followJob(id, showJobProgress, ending.signal);
      if (job.status !== "done") throw new Error(job.error ?? "The server could not finish the video.");
      return job;
    } finally {
      this.#signal.removeEventListener("abort", cancel);
      if (!this.#signal.aborted) endBusy();
    }
  }
}
