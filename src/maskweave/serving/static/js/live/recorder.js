// What is shown, as a video file: every frame is drawn once more, on a canvas of its own size that is recorded.

import { find } from "../dom.js";
import { saveBlob } from "../page/save.js";

const KINDS = ["video/webm;codecs=vp8,opus", "video/webm", "video/mp4"]; // VP8 takes the least time, which the model needs
const BITS = 5_000_000; // a second
const PIECE = 1000; // milliseconds

/** Whether this browser can record. */
export const canRecord = "MediaRecorder" in window && "captureStream" in HTMLCanvasElement.prototype;

/** Records what a painter paints of frames of one size, and a `Sound` or none. */
export class Recorder {
  #canvas = find("#live-recording");
  #context = this.#canvas.getContext("2d");
  #recorder = null;
  #pieces = [];
  #begun = 0;
  #painter;
  #picture;
  #sound;

  constructor(painter, sound = null) {
    this.#painter = painter;
    this.#sound = sound;
    this.#picture = painter.picture;
    Object.assign(this.#canvas, this.#picture);
    const kind = KINDS.find((each) => MediaRecorder.isTypeSupported(each));
    const stream = new MediaStream([...this.#canvas.captureStream().getTracks(), ...(sound?.tracks ?? [])]);
    this.#recorder = new MediaRecorder(stream, { mimeType: kind, videoBitsPerSecond: BITS });
    this.#recorder.addEventListener("dataavailable", ({ data }) => data.size && this.#pieces.push(data));
    this.add();
    this.#recorder.start(PIECE);
    this.#begun = performance.now();
  }

  /** Seconds since it began. */
  get seconds() {
    return (performance.now() - this.#begun) / 1000;
  }

  /** Whether frames of the painter still fit. */
  get fits() {
    const { width, height } = this.#painter.picture;
    return width === this.#picture.width && height === this.#picture.height;
  }

  /** Record the frame that is shown now, `behind` milliseconds after it was taken. */
  add(behind = null) {
    if (this.#sound) this.#sound.behind = behind;
    this.#painter.paintPlain(this.#context, this.#canvas);
  }

  pause() {
    if (this.#recorder.state === "recording") this.#recorder.pause();
  }

  resume() {
    if (this.#recorder.state === "paused") this.#recorder.resume();
  }

  /** End, and keep nothing. */
  drop() {
    this.#recorder.stop();
    this.#sound?.close();
  }

  /** End, and hand the file to the browser as a download; a promise of its size in bytes. */
  save(name) {
    return new Promise((resolve) => {
      this.#recorder.addEventListener("stop", () => {
        const { mimeType } = this.#recorder;
        const blob = new Blob(this.#pieces, { type: mimeType.split(";")[0] });
        saveBlob(blob, `${name}.${mimeType.includes("mp4") ? "mp4" : "webm"}`);
        resolve(blob.size);
      });
      this.#recorder.stop();
      this.#sound?.close();
    });
  }
}
