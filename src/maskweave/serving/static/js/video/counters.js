// Lines and zones that the user draws, and what was counted there.

import { find, icon, make } from "../dom.js";
import { drawLine, drawTag } from "../stage/draw.js";
import { TwoPoints } from "../stage/two-points.js";
import { announce } from "../tell.js";

const CLOSE = 12; // CSS pixels round the first corner of a zone in which a tap closes it
const COLOUR = [255, 214, 92];
const STROKE = "rgb(255 214 92)";

/** @typedef {{kind: "line"|"zone", name: string, points: [number, number][]}} Counter */

/** The counters of one video. `onChange()` is called when there are others. */
export class Counters {
  #all = [];
  #onChange;

  constructor(onChange, all = []) {
    this.#onChange = onChange;
    this.#all = all;
    this.show(null, 0);
  }

  get all() {
    return this.#all;
  }

  /** As the server's query wants them: "x1,y1,x2,y2=name". */
  texts(kind) {
    return this.#all
      .filter((counter) => counter.kind === kind)
      .map(({ points, name }) => `${points.flat().map((number) => number.toFixed(1)).join(",")}=${name}`);
  }

  add(kind, points) {
    let number = 1;
    const names = new Set(this.#all.map((counter) => counter.name));
    while (names.has(`${kind} ${number}`)) number += 1;
    this.#put([...this.#all, { kind, name: `${kind} ${number}`, points }]);
    announce(`${kind} ${number} drawn`);
  }

  #put(all) {
    this.#all = all;
    this.show(null, 0);
    this.#onChange();
  }

  /** List them, with what `tracks` (or null) has counted up to `frame`. */
  show(tracks, frame) {
    const list = find("#counter-list");
    find("#counters-none").hidden = this.#all.length > 0;
    const isSame = list.children.length === this.#all.length && this.#all.every((counter, row) => list.children[row].dataset.name === counter.name);
    if (!isSame) list.replaceChildren(...this.#all.map((counter) => this.#row(counter)));
    this.#all.forEach((counter, row) => {
      list.children[row].querySelector(".counter__count").textContent = counted(counter, tracks, frame);
    });
  }

  /** Draw them over the picture, with the counts at `frame`. */
  draw(context, stage, tracks, frame) {
    for (const counter of this.#all) {
      drawLine(context, stage, counter.points, { isClosed: counter.kind === "zone", colour: STROKE });
      if (counter.kind === "line") drawForward(context, stage, counter.points);
      const count = tracks ? counted(counter, tracks, frame) : "";
      drawTag(context, stage, [counter.name, count].filter(Boolean).join("  "), counter.points[0], COLOUR);
    }
  }

  #row(counter) {
    const remove = () => this.#put(this.#all.filter((other) => other !== counter));
    const name = make("input", { class: "counter__name", value: counter.name, "aria-label": `Name of ${counter.name}`, maxlength: "40" });
    name.addEventListener("change", () => {
      const wanted = name.value.replaceAll(/[=,]/g, " ").trim();
      const isFree = wanted && !this.#all.some((other) => other !== counter && other.name === wanted);
      if (isFree) this.#put(this.#all.map((other) => (other === counter ? { ...counter, name: wanted } : other)));
      else name.value = counter.name;
    });
    return make(
      "li",
      { class: "counter", "data-name": counter.name },
      icon(counter.kind),
      name,
      make("output", { class: "counter__count" }),
      make("button", { class: "icon-button", type: "button", "aria-label": `Remove ${counter.name}`, onclick: remove }, icon("close")),
    );
  }
}

/** The tool that draws a line; `picture` {width, height} bounds it. */
export function lineTool(counters, stage, picture) {
  return new TwoPoints({
    done: (from, to) => counters.add("line", [within(from, picture), within(to, picture)]),
    changed: () => stage.invalidate(),
  });
}

/** The tool that draws a zone: a tap a corner, closed at the first corner, by a double click or by Enter twice. */
export class ZoneTool {
  canDrag = false;
  points = [];

  #counters;
  #stage;
  #picture;
  #next = null;

  constructor(counters, stage, picture) {
    this.#counters = counters;
    this.#stage = stage;
    this.#picture = picture;
  }

  tap(x, y) {
    const point = within([x, y], this.#picture);
    if (this.points.length >= 3 && this.#isNear(point, this.points[0])) this.finish();
    else if (this.points.length && this.#isNear(point, this.points.at(-1))) this.finish();
    else this.points.push(point);
    this.#stage.invalidate();
  }

  hover(x, y) {
    this.#next = [x, y];
    if (this.points.length) this.#stage.invalidate();
  }

  finish() {
    if (this.points.length < 3) return;
    this.#counters.add("zone", this.points);
    this.drop();
  }

  drop() {
    const had = this.points.length > 0;
    this.points = [];
    this.#stage.invalidate();
    return had;
  }

  draw(context, stage) {
    if (!this.points.length) return;
    drawLine(context, stage, [...this.points, this.#next ?? this.points[0]], { colour: STROKE, dash: [7, 5] });
  }

  #isNear([x1, y1], [x2, y2]) {
    const reach = (CLOSE * this.#stage.ratio) / this.#stage.viewport.scale;
    return Math.hypot(x1 - x2, y1 - y2) <= reach;
  }
}

export function drawBegun(context, stage, tool) {
  if (tool instanceof ZoneTool) tool.draw(context, stage);
  else if (tool?.from) drawLine(context, stage, [tool.from, tool.to], { colour: STROKE });
}

function counted({ kind, name }, tracks, frame) {
  if (kind === "line") {
    const count = tracks?.crossings(name, frame);
    return count ? `${count.forward} forward, ${count.backward} back` : "";
  }
  const count = tracks?.presence(name, frame);
  return count ? `${count.inside} inside, ${count.seen} in all` : "";
}

/** A small arrow in the middle of a line, pointing where crossing it is forward. */
function drawForward(context, stage, [[x1, y1], [x2, y2]]) {
  const [startX, startY] = stage.viewport.toWindow(x1, y1);
  const [endX, endY] = stage.viewport.toWindow(x2, y2);
  const length = Math.hypot(endX - startX, endY - startY) || 1;
  const [alongX, alongY] = [(endX - startX) / length, (endY - startY) / length];
  const [middleX, middleY] = [(startX + endX) / 2, (startY + endY) / 2];
  const size = 9 * stage.ratio;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.beginPath();
  context.moveTo(middleX - alongX * size, middleY - alongY * size);
  context.lineTo(middleX + alongX * size, middleY + alongY * size);
  context.lineTo(middleX - alongY * size * 1.4, middleY + alongX * size * 1.4);
  context.closePath();
  context.fillStyle = STROKE;
  context.fill();
}

function within([x, y], { width, height }) {
  return [Math.min(Math.max(x, 0), width), Math.min(Math.max(y, 0), height)];
}
