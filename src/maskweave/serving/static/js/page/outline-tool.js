// The outline of an object as points that can be moved, added and taken away.

import { loopsOf } from "../masks/outline.js";
import { distanceToEdge, reshaped, ringsOf } from "../masks/polygon.js";
import { rasterise } from "../masks/raster.js";
import { rleOf, spansOf } from "../masks/rle.js";
import { announce } from "../notify.js";
import { drawHandles, drawLine } from "../stage/draw.js";

const NEAR = 10; // CSS pixels round a point, or an edge, in which it is meant
const TOLERANCE = 1.5; // CSS pixels by which the points may lie off the outline
const MIN_TOLERANCE = 0.75; // of the image's pixels
const STEP = 8; // CSS pixels that an arrow key moves a point; with Shift it is one of the image's

/** Points of the one selected object of `document`. `select(x, y)` is what a tap beside them does. */
export class OutlineTool {
  #document;
  #stage;
  #select;
  #object = null; // the state of the object that the rings are of
  #rings = []; // [{points, isHole}]
  #chosen = null; // {ring, place} of the point that keys move
  #near = null; // {ring, place, isEdge}: under the pointer
  #drag = null; // {ring, place, before}

  constructor(document, stage, { select }) {
    this.#document = document;
    this.#stage = stage;
    this.#select = select;
  }

  /** What is drawn of the selected object: [{points, isHole}]. */
  get rings() {
    this.#refresh();
    return this.#rings;
  }

  /** Whether a drag from there moves a point; from elsewhere it moves the image. */
  canDragFrom(x, y) {
    return this.#nearest(x, y) !== null;
  }

  hover(x, y) {
    this.#near = this.#nearest(x, y);
    this.#stage.invalidate();
  }

  leave() {
    this.#near = null;
    if (this.#drag) this.#put(this.#drag.ring, this.#drag.before);
    this.#drag = null;
    this.#stage.invalidate();
  }

  tap(x, y, { adds }) {
    const near = this.#nearest(x, y);
    if (!near) {
      this.#chosen = null;
      return this.#select(x, y);
    }
    if (near.isEdge) return this.#choose(this.#insert(near, [x, y]));
    this.#choose(near);
    return adds ? this.removePoint() : null;
  }

  dragStart(x, y) {
    const near = this.#nearest(x, y);
    const before = this.#rings[near.ring].points;
    const { ring, place } = near.isEdge ? this.#insert(near, [x, y]) : near;
    this.#choose({ ring, place });
    this.#drag = { ring, place, before };
  }

  drag(x, y) {
    this.#movePoint(this.#drag, this.#within([x, y]));
  }

  dragEnd() {
    const { ring, before } = this.#drag;
    this.#drag = null;
    this.#commit(ring, before);
  }

  /** An arrow key moves the chosen point. Returns whether there is one. */
  nudge([dx, dy], isFine) {
    const point = this.#point(this.#chosen);
    if (!point) return false;
    const step = isFine ? 1 : Math.max(1, STEP * this.#pixel);
    const { ring } = this.#chosen;
    const before = this.#rings[ring].points;
    this.#movePoint(this.#chosen, this.#within([point[0] + dx * step, point[1] + dy * step]));
    this.#commit(ring, before);
    return true;
  }

  /** Enter adds a point half way to the next one. Returns whether there is one to go on from. */
  enter() {
    const point = this.#point(this.#chosen);
    if (!point) return false;
    const { ring, place } = this.#chosen;
    const { points } = this.#rings[ring];
    const next = points[(place + 1) % points.length];
    this.#choose(this.#insert({ ring, place }, [(point[0] + next[0]) / 2, (point[1] + next[1]) / 2]));
    return true;
  }

  /** Choose the point `steps` further along, over all rings. */
  step(steps) {
    this.#refresh();
    const all = this.#rings.flatMap(({ points }, ring) => points.map((_, place) => ({ ring, place })));
    if (!all.length) return;
    const at = all.findIndex(({ ring, place }) => ring === this.#chosen?.ring && place === this.#chosen.place);
    this.#choose(all[(at < 0 ? (steps > 0 ? 0 : all.length - 1) : at + steps + all.length) % all.length]);
  }

  /** Take the chosen point away. Returns whether there was one. */
  removePoint() {
    if (!this.#point(this.#chosen)) return false;
    const { ring, place } = this.#chosen;
    const before = this.#rings[ring].points;
    if (before.length <= 3) {
      announce("An outline has three points at least.");
      return true;
    }
    this.#put(ring, before.filter((_, each) => each !== place));
    this.#chosen = { ring, place: Math.min(place, before.length - 2) };
    this.#commit(ring, before);
    announce(`Point taken away, ${before.length - 1} are left.`);
    return true;
  }

  /** Choose no point. Returns whether one was. */
  drop() {
    const had = this.#chosen !== null;
    this.#chosen = null;
    this.#stage.invalidate();
    return had;
  }

  draw(context, stage) {
    this.#refresh();
    for (const { points } of this.#rings) drawLine(context, stage, points, { isClosed: true });
    const handles = this.#rings.flatMap(({ points }, ring) =>
      points.map((point, place) => ({ point, isChosen: isAt(this.#chosen, ring, place), isLit: isAt(this.#near, ring, place) && !this.#near.isEdge })),
    );
    drawHandles(context, stage, handles);
  }

  /** Pixels of the image that a CSS pixel covers. */
  get #pixel() {
    return this.#stage.ratio / this.#stage.viewport.scale;
  }

  /** The rings of the object as it is now; those that a hand has just changed are kept as they are. */
  #refresh() {
    const [object, ...more] = this.#document.selected;
    const only = more.length || !object || this.#document.isLocked(object.id) ? null : object;
    if (only === this.#object) return;
    if (only?.id !== this.#object?.id) this.#chosen = null;
    this.#object = only;
    const tolerance = Math.max(MIN_TOLERANCE, TOLERANCE * this.#pixel);
    this.#rings = only?.area ? ringsOf(loopsOf(rasterise(spansOf(only.rle), only.rle.size)), tolerance) : [];
    if (!this.#point(this.#chosen)) this.#chosen = null;
  }

  #nearest(x, y) {
    this.#refresh();
    const reach = NEAR * this.#pixel;
    let best = null;
    this.#rings.forEach(({ points }, ring) => {
      points.forEach(([pointX, pointY], place) => {
        const away = Math.hypot(pointX - x, pointY - y);
        if (away <= reach && !(best && !best.isEdge && best.away <= away)) best = { ring, place, away, isEdge: false };
        const edge = distanceToEdge([x, y], [pointX, pointY], points[(place + 1) % points.length]);
        if (edge <= reach && (!best || (best.isEdge && edge < best.away))) best = { ring, place, away: edge, isEdge: true };
      });
    });
    return best;
  }

  #point(chosen) {
    return chosen ? this.#rings[chosen.ring]?.points[chosen.place] : undefined;
  }

  #choose({ ring, place }) {
    this.#chosen = { ring, place };
    const { points } = this.#rings[ring];
    const [x, y] = points[place].map(Math.round);
    announce(`Point ${place + 1} of ${points.length}, at ${x}, ${y}`);
    this.#stage.invalidate();
  }

  /** Put a point behind another; nothing of the mask changes until it is moved. */
  #insert({ ring, place }, point) {
    const { points } = this.#rings[ring];
    this.#put(ring, [...points.slice(0, place + 1), point, ...points.slice(place + 1)]);
    return { ring, place: place + 1 };
  }

  #movePoint({ ring, place }, point) {
    this.#put(ring, this.#rings[ring].points.map((each, at) => (at === place ? point : each)));
  }

  #put(ring, points) {
    this.#rings = this.#rings.map((each, at) => (at === ring ? { ...each, points } : each));
    this.#stage.invalidate();
  }

  #within([x, y]) {
    const [height, width] = this.#document.size;
    return [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))];
  }

  /** Let the mask follow a ring that was `before`; the points stay where the hand has put them. */
  #commit(ring, before) {
    const { points, isHole } = this.#rings[ring];
    const { id, rle } = this.#object;
    const spans = reshaped(spansOf(rle), before, points, this.#document.size, { isHole });
    if (rleOf(spans, rle.size).counts === rle.counts) return; // no pixel lies between
    this.#document.paint(new Map([[id, spans]]));
    const rings = this.#rings;
    this.#object = this.#document.item(id) ?? null;
    this.#rings = this.#object ? rings : [];
    this.#stage.invalidate();
  }
}

function isAt(chosen, ring, place) {
  return chosen?.ring === ring && chosen.place === place;
}
