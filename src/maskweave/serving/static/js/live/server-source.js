// Frames that the server sends, each with what was found in it.

/** Shows what comes down a connection. `onShow({bitmap, answer})` is called for each frame. */
export class ServerSource {
  isPaused = false;

  #connection;
  #onShow;
  #unsaid = []; // frames that the server is not told of while it is paused

  constructor(connection, onShow) {
    this.#connection = connection;
    this.#onShow = onShow;
  }

  async answer(answer, jpeg) {
    if (jpeg) {
      const bitmap = await createImageBitmap(jpeg).catch(() => null);
      if (bitmap && !this.isPaused) this.#onShow({ bitmap, answer, taken: null });
    }
    if (this.isPaused) this.#unsaid.push(answer.frame);
    else this.#connection.tell({ shown: answer.frame });
  }

  pause() {
    this.isPaused = true;
  }

  resume() {
    this.isPaused = false;
    for (const frame of this.#unsaid.splice(0)) this.#connection.tell({ shown: frame });
  }

  close() {}
}
