// A video at work on the server: sent, followed, its frames fetched while they are made, cancelled.

import { showProgress } from "../page/busy.js";
import * as calls from "../server/calls.js";
import { clock } from "../words.js";

const BETWEEN_LOOKS = 700; // milliseconds between two looks at the frames that are done

/** One run of `file`; `asked` is what `calls.startVideo` takes. */
export class VideoJob {
  #file;
  #asked;
  #id = null;
  #upload = new AbortController();
  #offset = 0; // bytes of the frames that were fetched
  #lookedAt = -Infinity;
  #looking = null;

  constructor(file, asked) {
    this.#file = file;
    this.#asked = asked;
  }

  /**
   * Run to the end and return the job as it ended. `onUpload(share)`, `onProgress(job)` and, with frames as
   * `Tracks.append` takes them, `onFrames(frames)` are called on the way; `signal` ends the watching.
   */
  async run({ onUpload, onProgress, onFrames, signal }) {
    signal.addEventListener("abort", () => this.#upload.abort());
    const begun = await calls.startVideo(this.#file, { ...this.#asked, onUpload, signal: this.#upload.signal });
    this.#id = begun.id;
    const look = (job) => {
      onProgress(job);
      if (job.status === "running") this.#look(onFrames, signal);
    };
    const ended = await calls.followJob(begun.id, look, signal);
    await this.#looking;
    this.#id = null;
    return ended;
  }

  cancel() {
    if (this.#id) calls.removeJob(this.#id).catch(() => {});
    else this.#upload.abort();
    this.#id = null;
  }

  #look(onFrames, signal) {
    if (!this.#id || this.#looking || performance.now() - this.#lookedAt < BETWEEN_LOOKS) return;
    this.#lookedAt = performance.now();
    this.#looking = this.#fetchFrames(onFrames, signal).finally(() => (this.#looking = null));
  }

  /** What cannot be fetched now is fetched the next time, or comes with the results. */
  async #fetchFrames(onFrames, signal) {
    try {
      const text = await calls.fetchFrames(this.#id, this.#offset, signal);
      this.#offset += new TextEncoder().encode(text).length;
      const frames = text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
      if (frames.length) onFrames(frames);
    } catch {
      // see above
    }
  }
}

/** Say how far a job is. */
export function showJobProgress({ status, frames, frames_total: total, seconds }) {
  if (status === "queued") return showProgress("Waiting for its turn …");
  if (!frames) return showProgress("The server begins …");
  if (!total) return showProgress(`Frame ${frames} …`);
  const wait = frames > 5 ? ` · about ${clock(seconds * (total / frames - 1))} left` : "";
  return showProgress(`Frame ${frames} of ${total}${wait}`, Math.min(1, frames / total));
}
