// Lines and zones that the user draws, and what was counted there.

import { find, icon, make } from "../dom.js";
import { announce } from "../notify.js";
import { drawLine } from "../stage/draw.js";
import { Tags } from "../stage/tags.js";
import { TwoPoints } from "../stage/two-points.js";
import { count, crossingsUntil } from "./counting.js";
import { countsChart } from "./counts-table.js";

const CLOSE = 12; // CSS pixels round the first corner of a zone in which a tap closes it
const COLOR = [255, 214, 92];
const STROKE = "rgb(255 214 92)";

/** The counters of one video, in pixels of its image. `onChange()` is called when there are others. */
export class Counters {
  #all = [];
  #onChange;
  #tracks = null;
  #scale = [1, 1];
  #counts = new Map(); // counter → what it counts

  constructor(onChange, all = []) {
    this.#onChange = onChange;
    this.#all = all;
    this.show(0);
  }

  get all() {
    return this.#all;
  }

  /** Count what is shown of `tracks` from now on, whose pixels `imageSize` {width, height} may show stretched. */
  follow(tracks, imageSize) {
    this.#tracks = tracks;
    this.#scale = [tracks.size[1] / imageSize.width, tracks.size[0] / imageSize.height];
    for (const event of ["items", "filter"]) tracks.addEventListener(event, () => this.#counts.clear());
    this.#counts.clear();
  }

  /** As the server's query wants them: "x1,y1,x2,y2=name". */
  texts(kind) {
    return this.#all
      .filter((counter) => counter.kind === kind)
      .map(({ points, name }) => `${points.flat().map((number) => number.toFixed(1)).join(",")}=${name}`);
  }

  add(kind, points, given = "") {
    let number = 1;
    const names = new Set(this.#all.map((counter) => counter.name));
    while (names.has(`${kind} ${number}`)) number += 1;
    const name = given || `${kind} ${number}`;
    this.#put([...this.#all, { kind, name, points }]);
    announce(`${name} drawn`);
  }

  /** What a counter counts in the whole video, or null while there are no tracks. */
  countOf(counter) {
    if (!this.#tracks?.times.length) return null;
    if (!this.#counts.has(counter)) {
      const [across, down] = this.#scale;
      const points = counter.points.map(([x, y]) => [x * across, y * down]);
      this.#counts.set(counter, count({ ...counter, points }, this.#tracks));
    }
    return this.#counts.get(counter);
  }

  #put(all) {
    this.#all = all;
    this.#onChange(); // shows them again, too
  }

  /** List them, with what is counted up to `frame`. */
  show(frame) {
    const list = find("#counter-list");
    find("#counters-none").hidden = this.#all.length > 0;
    const isSame = list.children.length === this.#all.length && this.#all.every((counter, row) => list.children[row].dataset.name === counter.name);
    if (!isSame) list.replaceChildren(...this.#all.map((counter) => this.#row(counter)));
    this.#all.forEach((counter, row) => {
      const output = list.children[row].querySelector(".counter__count");
      const words = this.wordsOf(counter, frame);
      if (output.textContent !== words) output.textContent = words;
      this.#showChart(counter, list.children[row]);
    });
    find("#save-counts").hidden = !this.#all.length || !this.#tracks?.times.length;
  }

  /** The course of a counter over the video, drawn anew when it counts anew. */
  #showChart(counter, row) {
    const counts = this.countOf(counter);
    if (!counts || row.counts === counts) return;
    row.counts = counts;
    row.querySelector(".counter__chart")?.remove();
    row.append(countsChart(counter, counts, this.#tracks.times.length));
  }

  /** Draw them over the image, with the counts at `frame`. */
  draw(context, stage, frame, tags = new Tags(context, stage)) {
    for (const counter of this.#all) {
      drawLine(context, stage, counter.points, { isClosed: counter.kind === "zone", color: STROKE });
      if (counter.kind === "line") drawForward(context, stage, counter.points);
      const words = [counter.name, this.wordsOf(counter, frame)].filter(Boolean).join("  ");
      const [x, y] = counter.points[0];
      tags.draw({ text: words, box: [x, y, x, y], color: COLOR, isMeant: true });
    }
  }

  /** What is counted at a counter up to `frame`, in words. */
  wordsOf(counter, frame) {
    const counts = this.countOf(counter);
    if (!counts) return "";
    if (counter.kind === "zone") return `${counts.inside[frame] ?? 0} inside, ${counts.seen[frame] ?? 0} in all`;
    const { forward, backward } = crossingsUntil(counts, frame);
    return `${forward} forward, ${backward} back`;
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

/** The tool that draws a line; `imageSize` {width, height} bounds it. `onDone()` is called when it is drawn. */
export function lineTool(counters, stage, imageSize, onDone) {
  return new TwoPoints({
    done: (from, to) => {
      counters.add("line", [within(from, imageSize), within(to, imageSize)]);
      onDone();
    },
    changed: () => stage.invalidate(),
  });
}

/** The tool that draws a zone: a tap a corner, closed at the first corner, by a double click or by Enter twice. */
export class ZoneTool {
  canDrag = false;
  points = [];

  #counters;
  #stage;
  #imageSize;
  #onDone;
  #next = null;

  constructor(counters, stage, imageSize, onDone) {
    this.#onDone = onDone;
    this.#counters = counters;
    this.#stage = stage;
    this.#imageSize = imageSize;
  }

  tap(x, y) {
    const point = within([x, y], this.#imageSize);
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
    this.#onDone();
  }

  drop() {
    const had = this.points.length > 0;
    this.points = [];
    this.#stage.invalidate();
    return had;
  }

  draw(context, stage) {
    if (!this.points.length) return;
    drawLine(context, stage, [...this.points, this.#next ?? this.points[0]], { color: STROKE, dash: [7, 5] });
  }

  #isNear([x1, y1], [x2, y2]) {
    const reach = (CLOSE * this.#stage.ratio) / this.#stage.viewport.scale;
    return Math.hypot(x1 - x2, y1 - y2) <= reach;
  }
}

export function drawBegun(context, stage, tool) {
  if (tool instanceof ZoneTool) tool.draw(context, stage);
  else if (tool?.from) drawLine(context, stage, [tool.from, tool.to], { color: STROKE });
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
