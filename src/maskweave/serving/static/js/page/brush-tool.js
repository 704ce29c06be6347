// Brush and eraser: what is painted belongs to the selected object, or no longer does.

import { differenceOf, strokeSpans } from "../masks/brush.js";
import { css } from "../masks/palette.js";
import { spansOf, unionOf } from "../masks/rle.js";
import { announce, notify } from "../notify.js";

const STEP = 1.25; // by which a key makes the brush larger or smaller
const NEW_COLOR = [66, 133, 244]; // of a stroke that makes an object
const MAX_RADIUS = 500; // pixels of its radius

/** The size that all brushes have: pixels of the radius. */
export const brush = { radius: 0 };

/** A brush that suits an image of `size` [height, width], unless there is one already. */
export function fitBrush(size) {
  if (!brush.radius) brush.radius = Math.max(2, Math.round(Math.max(...size) / 60));
}

export function resizeBrush(steps) {
  const radius = brush.radius * STEP ** steps;
  brush.radius = Math.min(MAX_RADIUS, Math.max(0.5, steps > 0 ? Math.ceil(radius) : Math.floor(radius)));
}

/** One stroke is one edit. `erases`: it takes away. */
export class BrushTool {
  canDrag = true;

  #document;
  #stage;
  #erases;
  #newName;
  #colorOf;
  #points = null; // the way of the stroke that is begun
  #at = null; // where the pointer is

  constructor(document, stage, { erases, newName, colorOf }) {
    this.#colorOf = colorOf;
    this.#document = document;
    this.#stage = stage;
    this.#erases = erases;
    this.#newName = newName;
  }

  hover(x, y) {
    this.#at = [x, y];
    this.#stage.invalidate();
  }

  leave() {
    this.#at = null;
    this.drop();
  }

  tap(x, y) {
    this.#points = [[x, y]];
    this.#finish();
  }

  dragStart(x, y) {
    this.#points = [[x, y]];
  }

  drag(x, y) {
    this.#points?.push([x, y]);
    this.hover(x, y);
  }

  dragEnd() {
    this.#finish();
  }

  /** Forget the stroke that is begun. Returns whether there was one. */
  drop() {
    const had = this.#points !== null;
    this.#points = null;
    this.#stage.invalidate();
    return had;
  }

  /** Draw the stroke and the brush itself. */
  draw(context, stage) {
    stage.viewport.apply(context);
    const [object] = this.#document.selected;
    if (this.#points) {
      context.beginPath();
      for (const point of [this.#points[0], ...this.#points]) context.lineTo(...point);
      context.lineCap = context.lineJoin = "round";
      context.lineWidth = 2 * brush.radius;
      context.strokeStyle = this.#erases ? "rgb(255 255 255 / 0.55)" : css(object ? this.#colorOf(object) : NEW_COLOR, 0.6);
      context.stroke();
    }
    if (this.#at) this.#drawRing(context, stage);
  }

  #drawRing(context, stage) {
    for (const [style, width] of [
      ["rgb(0 0 0 / 0.7)", 3],
      ["#fff", 1.5],
    ]) {
      context.beginPath();
      context.arc(...this.#at, brush.radius, 0, 2 * Math.PI);
      context.lineWidth = (width * stage.ratio) / stage.viewport.scale;
      context.strokeStyle = style;
      context.stroke();
    }
  }

  #finish() {
    const points = this.#points;
    this.#points = null;
    this.#stage.invalidate();
    if (!points) return;
    const chosen = this.#document.selected.filter(({ id }) => !this.#document.isLocked(id));
    const stroke = strokeSpans(points, brush.radius, this.#document.size);
    if (this.#erases && !chosen.length) notify("Select the object that has too much.");
    else if (!this.#erases && chosen.length > 1) notify("Select one object to paint, or none to make a new one.");
    else if (this.#erases) this.#document.paint(changed(chosen, (spans) => differenceOf(spans, stroke)));
    else if (chosen.length) this.#document.paint(changed(chosen, (spans) => unionOf([spans, stroke])));
    else if (stroke.length) this.#document.add(stroke, this.#newName());
    announce(this.#erases ? "Erased" : "Painted");
  }
}

function changed(objects, change) {
  return new Map(objects.map(({ id, rle }) => [id, change(spansOf(rle))]));
}
