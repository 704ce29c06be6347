// Frames that the server sends, each with what was found in it.

/** Shows what comes down a connection. `onShow({bitmap, answer})` is called for each frame. */
export class ServerSource {
  isPaused = false;

  #connection;
  #onShow;
  #turn = Promise.resolve(); // of the newest frame
  #unreported = []; // frames that the server is not told about while it is paused

  constructor(connection, onShow) {
    this.#connection = connection;
    this.#onShow = onShow;
  }

  /** Take a frame. Frames are decoded side by side and shown in the order in which they came. */
  answer(answer, jpeg) {
    const decoded = jpeg ? createImageBitmap(jpeg).catch(() => null) : null;
    this.#turn = this.#turn.then(async () => this.#take(answer, await decoded));
  }

  #take(answer, bitmap) {
    if (bitmap && !this.isPaused) this.#onShow({ bitmap, answer, capturedAt: null });
    else bitmap?.close();
    if (this.isPaused) this.#unreported.push(answer.frame);
    else this.#connection.report({ shown: answer.frame });
  }

  pause() {
    this.isPaused = true;
  }

  resume() {
    this.isPaused = false;
    for (const frame of this.#unreported.splice(0)) this.#connection.report({ shown: frame });
  }

  close() {}
}
