// A click that adds to an object, or takes away from it, with a preview under the pointer.

import { Shapes } from "../masks/shape.js";
import { drawPreview } from "../stage/draw.js";
import { Preview } from "./preview.js";

const KEPT = 4; // previews
const NEW_COLOR = [66, 133, 244];

/**
 * `label`: 1 adds, 0 takes away. `meant()`: {object, prompts} that a click is about, null where it would be about none;
 * `ask(prompts)`: a promise of a mask; `commit(point, ready)`: the click, `ready` a promise of its mask or null.
 */
export class PointTool {
  canDrag = false;

  #label;
  #meant;
  #commit;
  #isInside;
  #colorOf;
  #preview;
  #shapes;

  constructor({ label, size, stage, meant, ask, commit, isInside, colorOf }) {
    this.#label = label;
    this.#meant = meant;
    this.#commit = commit;
    this.#isInside = isInside;
    this.#colorOf = colorOf;
    this.#shapes = new Shapes(size, { maxKept: KEPT });
    this.#preview = new Preview({
      ask: ({ prompts, point }) => ask({ ...prompts, points: [...prompts.points, point] }),
      changed: () => stage.invalidate(),
    });
  }

  /** Whether a preview is drawn. */
  get isShowing() {
    return this.#preview.found !== null;
  }

  hover(x, y) {
    const wish = this.#wishAt(x, y);
    if (wish) this.#preview.want(wish);
    else this.#preview.drop();
  }

  leave() {
    this.#preview.drop();
  }

  tap(x, y) {
    if (!this.#isInside(x, y)) return;
    const wish = this.#wishAt(x, y);
    this.#commit([x, y, this.#label], wish && this.#preview.take(wish));
    this.#preview.drop();
  }

  /** Take the preview away. Returns whether there was one. */
  drop() {
    return this.#preview.drop();
  }

  draw(context, stage) {
    const { found } = this.#preview;
    if (!found) return;
    const { object } = this.#meant() ?? {};
    const color = object ? this.#colorOf(object) : NEW_COLOR;
    drawPreview(context, stage, { path: this.#shapes.of(found.rle).path, scale: this.#shapes.scale, color });
  }

  #wishAt(x, y) {
    const meant = this.#isInside(x, y) ? this.#meant() : null;
    if (!meant || (!meant.object && !this.#label)) return null;
    return { ...meant, point: [x, y, this.#label] };
  }
}
