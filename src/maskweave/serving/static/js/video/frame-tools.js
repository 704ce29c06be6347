// The tools for images on the frames of a video that stands still.

import { ImageTools } from "../page/image-tools.js";
import { FrameDocument } from "./frame-document.js";

export const FRAME_TOOLS = ["add", "remove", "box", "outline", "brush", "eraser"];
const CARRIED = "G carries it through the frames that follow.";

/** Tools that mark objects in the frame that `painter` shows; `state` is that of `ImageTools`. */
export class FrameTools {
  #document;
  #painter;
  #tools;

  constructor(tracks, painter, stage, { refiner, onBusy }) {
    this.#painter = painter;
    this.#document = new FrameDocument(tracks, painter);
    this.#tools = new ImageTools(this.#document, painter, stage, { refiner, onBusy });
  }

  get isWaiting() {
    return this.#tools.isWaiting;
  }

  /** A promise that resolves once nothing is asked for. */
  get settled() {
    return this.#tools.settled;
  }

  make(name) {
    return this.#tools.make(name);
  }

  /** What the tool is about to do, and how what it has done goes on. */
  hint(name) {
    if (this.isWaiting) return "One moment …";
    const isDrawn = this.#document.selected.some(({ id }) => this.#painter.isDrawn(id));
    return isDrawn ? `${this.#tools.hint(name)} ${CARRIED}` : this.#tools.hint(name);
  }
}

/** Why frames of this video cannot be drawn on; "" where they can. */
export function whyNoTools({ tracks, painter, file }) {
  if (!tracks) return "Let the objects be found and followed first; then each frame can be corrected.";
  if (!file || painter.hasMasksDrawn) return "The video itself cannot be shown here, and so its frames cannot be corrected.";
  return painter.isStretched ? "The pixels of this video are not square; its frames cannot be corrected here." : "";
}
