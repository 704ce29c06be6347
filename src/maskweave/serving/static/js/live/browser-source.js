// Frames of this browser on their way up to the server, and what comes back for them.

import { Encoder } from "./encoder.js";

const MAX_ON_THE_WAY = 2; // frames on their way: one is looked at while the next one travels; what comes meanwhile is skipped
const MAX_SIDE = 1280; // pixels of the longer side that is sent

/** Sends frames of a feed over a connection. `onShow({bitmap, answer, capturedAt})` is called for each that is answered. */
export class BrowserSource {
  isPaused = false;

  #feed;
  #connection;
  #onShow;
  #encoder = new Encoder();
  #sent = new Map(); // number → {bitmap, capturedAt}
  #number = 0;
  #isBusy = false; // a frame is being made
  #begun = performance.now();

  constructor(feed, connection, onShow) {
    this.#feed = feed;
    this.#connection = connection;
    this.#onShow = onShow;
    feed.onFrame = (capturedAt) => this.#send(capturedAt);
  }

  /** Take an answer: the frame is shown, and those before it, which the server skipped, are forgotten. */
  answer(answer) {
    for (const [number, { bitmap, capturedAt }] of this.#sent) {
      if (number > answer.frame) break;
      this.#sent.delete(number);
      if (number === answer.frame && answer.objects) this.#onShow({ bitmap, answer, capturedAt });
      else bitmap.close();
    }
  }

  /** What is heard there, as a stream; see `DelayedAudio`. */
  openAudio() {
    return this.#feed.openAudio();
  }

  pause() {
    this.isPaused = true;
    this.#feed.pause();
  }

  resume() {
    this.isPaused = false;
    this.#feed.play();
  }

  close() {
    for (const { bitmap } of this.#sent.values()) bitmap.close();
    this.#sent.clear();
    this.#encoder.close();
    this.#feed.close();
  }

  async #send(capturedAt) {
    if (this.isPaused || this.#isBusy || this.#sent.size >= MAX_ON_THE_WAY || !this.#connection.isReady) return undefined;
    this.#isBusy = true;
    try {
      const frame = await createImageBitmap(this.#feed.video, scaled(this.#feed.size));
      const { bitmap, jpeg } = await this.#encoder.encode(frame);
      if (!this.#connection.isOpen) return bitmap.close();
      this.#number += 1;
      this.#sent.set(this.#number, { bitmap, capturedAt });
      return this.#connection.sendFrame(this.#number, (capturedAt - this.#begun) / 1000, jpeg);
    } catch {
      return undefined; // a video that has just been closed has no image
    } finally {
      this.#isBusy = false;
    }
  }
}

function scaled({ width, height }) {
  const scale = MAX_SIDE / Math.max(width, height);
  if (scale >= 1) return {};
  return { resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale) };
}
