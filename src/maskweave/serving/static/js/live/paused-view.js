// A live frame that stands still, with every tool for images.

import { ImageView } from "../page/image-view.js";

/** `live` goes on when the pause ends; leaving ends it, too. */
export class PausedView extends ImageView {
  #live;

  constructor(page, file, live, options) {
    super(page, file, options);
    this.#live = live;
  }

  get isWorking() {
    return this.#live.isWorking;
  }

  get leavingWords() {
    return this.#live.leavingWords;
  }

  recordOrSave() {
    return this.#live.recordOrSave();
  }

  toggle() {
    this.#live.toggle();
  }

  /** Put the image away, and only that. */
  putAway() {
    super.close();
  }

  close() {
    super.close();
    this.#live.close();
  }
}
