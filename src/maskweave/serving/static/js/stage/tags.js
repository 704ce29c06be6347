// Names beside objects, which give way to each other.

import { css } from "../masks/palette.js";

const SIZE = 13; // CSS pixels of the letters, as long as the browser's are 16
const SMALL = 0.6; // of a tag's width and height: an object smaller than that is named on demand only

/** The tags of one painting; those that are drawn first have the best places. */
export class Tags {
  #context;
  #stage;
  #size;
  #occupied = []; // [left, top, right, bottom] in pixels of the window

  constructor(context, stage) {
    this.#context = context;
    this.#stage = stage;
    const root = Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.#size = SIZE * stage.ratio * Math.max(1, root / 16);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.font = `600 ${this.#size}px ${getComputedStyle(stage.canvas).fontFamily}`;
  }

  /** Draw `text` at `box` of the image, where there is room; one that `isMeant` has its place in any case. */
  draw({ text, box, color, isMeant = false }) {
    this.#context.setTransform(1, 0, 0, 1, 0, 0);
    const width = this.#context.measureText(text).width + 1.2 * this.#size;
    const height = 1.7 * this.#size;
    const [x1, y1] = this.#stage.viewport.toWindow(box[0], box[1]);
    const [x2, y2] = this.#stage.viewport.toWindow(box[2], box[3]);
    if (!isMeant && x2 - x1 < SMALL * width && y2 - y1 < SMALL * height * 2) return;
    const gap = 0.3 * this.#size;
    const places = [
      [x1, y1 - height - gap],
      [x2 - width, y1 - height - gap],
      [x1, y2 + gap],
      [x2 - width, y2 + gap],
      [x1 + gap, y1 + gap],
    ].map((place) => this.#inside(place, width, height));
    const place = places.find((each) => this.#isFree(each)) ?? (isMeant ? places[0] : null);
    if (!place) return;
    this.#occupied.push(place);
    this.#paint(text, place, color);
  }

  #inside([x, y], width, height) {
    const { canvas } = this.#stage;
    const left = Math.min(Math.max(2, x), canvas.width - width - 2);
    const top = Math.min(Math.max(2, y), canvas.height - height - 2);
    return [left, top, left + width, top + height];
  }

  #isFree([left, top, right, bottom]) {
    return !this.#occupied.some((other) => left < other[2] && right > other[0] && top < other[3] && bottom > other[1]);
  }

  #paint(text, [left, top, right, bottom], color) {
    const context = this.#context;
    const [round, height] = [0.45 * this.#size, bottom - top];
    context.textBaseline = "middle";
    context.fillStyle = "rgb(16 18 22 / 0.88)";
    context.beginPath();
    context.roundRect(left, top, right - left, height, round);
    context.fill();
    context.fillStyle = css(color);
    context.beginPath();
    context.roundRect(left, top, 0.32 * this.#size, height, [round, 0, 0, round]);
    context.fill();
    context.fillStyle = "#fff";
    context.fillText(text, left + 0.67 * this.#size, top + height / 2 + 0.04 * this.#size);
  }
}
