// JPEGs of bitmaps, made by a worker.

/** One at a time: whoever asks waits for the answer before the next. */
export class Encoder {
  #worker = new Worker(new URL("encoder-worker.js", import.meta.url));
  #resolve = null;

  constructor() {
    this.#worker.addEventListener("message", ({ data }) => this.#resolve?.(data));
  }

  /** A promise of {bitmap, jpeg}: what `bitmap` holds, which is given away, and an ArrayBuffer of its JPEG. */
  encode(bitmap) {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#worker.postMessage({ bitmap }, [bitmap]);
    });
  }

  close() {
    this.#worker.terminate();
  }
}
