// What the pointer does on an image: choose objects, or say to the server what belongs to one.

import { announce, notify } from "../notify.js";
import { drawBox } from "../stage/draw.js";
import { TwoPoints } from "../stage/two-points.js";
import { counted } from "../words.js";
import { brush, BrushTool, fitBrush } from "./brush-tool.js";
import { OutlineTool } from "./outline-tool.js";
import { PointTool } from "./point-tool.js";
import { nextClass } from "./presets.js";

/** The tools of one image, by name. `painter` draws it; `state` {refiner, busy} is the page's. */
export class ImageTools {
  #document;
  #painter;
  #stage;
  #refiner;
  #onBusy;
  #waiting = 0; // corrections that are on their way
  #made = 0; // the object that the last box made
  #turn = Promise.resolve(); // corrections go out one after the other, each upon what the former gave

  constructor(document, painter, stage, { refiner, onBusy }) {
    this.#document = document;
    this.#painter = painter;
    this.#stage = stage;
    this.#refiner = refiner;
    this.#onBusy = onBusy;
    fitBrush(document.size);
  }

  /** Whether an answer is on its way. */
  get isWaiting() {
    return this.#waiting > 0;
  }

  /** A promise that resolves once all that was asked for is done. */
  get settled() {
    return this.#turn;
  }

  /** The tool of that name: "select", "add", "remove", "box", "outline", "brush" or "eraser". */
  make(name) {
    this.#made = 0;
    if (name === "outline") return this.#outlineTool();
    if (name === "brush" || name === "eraser") return this.#brushTool(name === "eraser");
    if (name === "add") return this.#pointTool(1);
    if (name === "remove") return this.#pointTool(0);
    return name === "box" ? this.#boxTool() : this.#selectTool();
  }

  /** What the chosen tool is about to do, in words; "" where that is plain. */
  hint(name) {
    const [object, ...more] = this.#document.selected;
    if (name === "select") return "";
    if (name === "outline") {
      return object && !more.length ? "Drag a point, or the line between two." : "Select one object to move the points of its outline.";
    }
    const size = `${brush.radius * 2} px wide; , and . change that`;
    if (name === "eraser") return object ? `Erase, ${size}.` : "Select the object that has too much.";
    if (more.length) return "Select one object to correct it, or none to make a new one.";
    if (name === "brush") return object ? `Paint “${object.class}”, ${size}.` : `Paint a new ${nextClass()}, ${size}.`;
    if (name === "add") return object ? `Click on what belongs to “${object.class}”; Esc first for a new object.` : `Click on ${article(nextClass())} to add it.`;
    if (name === "remove") {
      return object ? `Click on what does not belong to “${object.class}”.` : "Select the object that has too much.";
    }
    if (object?.id === this.#made) return `Draw a box round the next object; 1 to 9 name “${object.class}”.`;
    return object ? `Draw a box to find “${object.class}” anew.` : `Draw a box round ${article(nextClass())} to add it.`;
  }

  #selectTool() {
    return {
      canDrag: false,
      hover: (x, y) => this.#document.hover(this.#painter.hit(x, y)),
      leave: () => this.#document.hover(0),
      tap: (x, y, { adds }) => {
        this.#document.select(this.#painter.hit(x, y), { add: adds });
        const selected = this.#document.selected;
        announce(selected.length ? `Selected: ${selected.map((object) => object.class).join(", ")}` : "None selected");
      },
    };
  }

  #pointTool(label) {
    const tool = new PointTool({
      label,
      size: this.#document.size,
      stage: this.#stage,
      meant: () => this.#meant(),
      ask: (prompts) => this.#document.refine(prompts, this.#refiner()),
      commit: (point, ready) => this.#askFor((prompts) => withPoint(prompts, point), ready),
      isInside: (x, y) => this.#isInside(x, y),
      colorOf: this.#painter.colorOf,
    });
    this.#painter.overlay = (context, stage) => tool.draw(context, stage);
    return tool;
  }

  /** What a click is about now: {object, prompts}; null while another is at work, or several are selected. */
  #meant() {
    const [object, ...more] = this.#document.selected;
    return this.#waiting || more.length ? null : { object, prompts: promptsOf(object) };
  }

  #outlineTool() {
    const tool = new OutlineTool(this.#document, this.#stage, {
      select: (x, y) => this.#document.select(this.#painter.hit(x, y)),
    });
    this.#painter.overlay = (context, stage) => tool.draw(context, stage);
    return tool;
  }

  #boxTool() {
    const tool = new TwoPoints({
      done: (from, to) => {
        this.#turn = this.#turn.then(() => this.#leaveMade()); // one box after the other makes one object after the other
        this.#askFor(() => ({ base: null, points: [], box: this.#boxAround(from, to) }));
      },
      changed: () => this.#stage.invalidate(),
    });
    this.#painter.overlay = (context, stage) => {
      if (tool.from) drawBox(context, stage, [...tool.from, ...tool.to]);
    };
    return tool;
  }

  #leaveMade() {
    if (this.#document.selected.some(({ id }) => id === this.#made)) this.#document.selectAll([]);
  }

  #brushTool(erases) {
    const tool = new BrushTool(this.#document, this.#stage, {
      erases,
      newName: nextClass,
      colorOf: this.#painter.colorOf,
    });
    this.#painter.overlay = (context, stage) => tool.draw(context, stage);
    return tool;
  }

  #isInside(x, y) {
    const { width, height } = this.#painter.imageSize;
    return x >= 0 && y >= 0 && x < width && y < height;
  }

  /** The box of two opposite corners, as far as it lies in the image. */
  #boxAround([x1, y1], [x2, y2]) {
    const { width, height } = this.#painter.imageSize;
    const within = (value, max) => Math.min(max, Math.max(0, value));
    const [left, right] = [x1, x2].map((x) => within(x, width)).sort((one, other) => one - other);
    const [top, bottom] = [y1, y2].map((y) => within(y, height)).sort((one, other) => one - other);
    return [left, top, right, bottom];
  }

  /**
   * Put a request behind those on their way. `change(prompts)` gives what is said about the object; `ready`: a promise of
   * the answer, where it was asked for before.
   */
  #askFor(change, ready = null) {
    this.#wait(+1);
    this.#turn = this.#turn.then(() => this.#ask(change, ready)).finally(() => this.#wait(-1));
    return this.#turn;
  }

  #wait(step) {
    this.#waiting += step;
    this.#onBusy();
  }

  async #ask(change, ready) {
    const selected = this.#document.selected;
    if (selected.length > 1) return;
    const [object] = selected;
    const prompts = change(promptsOf(object));
    if (!object && !prompts.box && !prompts.points.some(([, , isOn]) => isOn)) return;
    try {
      const found = (await ready) ?? (await this.#document.refine(prompts, this.#refiner()));
      if (!found.area) throw new Error("Nothing is left of the object; the last point was too much.");
      const id = this.#document.correct(object?.id ?? 0, found, prompts, nextClass());
      if (!object && !prompts.points.length) this.#made = id;
      announce(`${object ? "Corrected" : "Added"}: ${counted(found.area, "pixel")}`);
    } catch (error) {
      notify(error.message, { kind: "error" });
    }
  }
}

/**
 * What was said about an object so far; of one whose box alone is known, the box. What a click or a box has found is
 * there to stay: the next click corrects it near by, and does not look for all of it anew.
 */
function promptsOf(object) {
  if (!object) return { base: null, points: [], box: null };
  if (!object.area) return { base: null, points: [], box: object.box };
  const { base, points } = object.prompts ?? { base: null, points: [] };
  return { base: base ?? object.rle, points, box: null };
}

/** "a cat", "an object". */
function article(name) {
  return `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;
}

function withPoint(prompts, point) {
  return { ...prompts, points: [...prompts.points, point] };
}
