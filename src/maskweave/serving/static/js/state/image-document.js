// An image's objects, and every change that a person makes to them.

import { partsOf } from "../masks/parts.js";
import { areaOf, boxOf, rleOf, spansOf, unionOf } from "../masks/rle.js";
import { refine } from "../server/calls.js";
import { Edits } from "./edits.js";
import { Findings } from "./findings.js";

/**
 * @typedef {{id: number, class: string, score: number|null, area: number, box: number[], rle: Rle,
 *   prompts?: Prompts, row?: number}} FoundObject
 *   `row`: the object's number in a data set's file; an area of 0: only its box is known.
 * @typedef {{base: Rle|null, box: number[]|null, points: [number, number, 0|1][]}} Prompts
 *   What a person said about an object, and the mask it had before.
 */

/** The objects of one image. `file` is what was opened; `result` the server's answer, or a stored one. */
export class ImageDocument extends Findings {
  #edits;
  #lastId;

  constructor(file, name, result) {
    super(result.objects, result.minScore ?? result.leastScore ?? result.default_score ?? 0, result.hiddenClasses);
    this.file = file;
    this.name = name;
    this.size = result.size;
    this.model = result.model;
    this.task = result.task;
    this.asked = result.asked ?? JSON.stringify({ task: result.task, model: null });
    this.seconds = result.seconds;
    this.classNames = result.class_names ?? [];
    this.#edits = new Edits(result.objects);
    this.#lastId = Math.max(0, ...result.objects.map((object) => object.id));
  }

  get canUndo() {
    return this.#edits.canUndo;
  }

  get canRedo() {
    return this.#edits.canRedo;
  }

  /** Everything that is needed to open this again: plain data. */
  get record() {
    return {
      size: this.size,
      model: this.model,
      task: this.task,
      asked: this.asked,
      seconds: this.seconds,
      class_names: this.classNames,
      minScore: this.minScore,
      hiddenClasses: this.hiddenClasses,
      objects: this.items,
    };
  }

  /** What the server makes of prompts. */
  refine(prompts, model) {
    return refine(this.file, prompts, model);
  }

  /** Put a mask that the server made from `prompts` into object `id`, or make a new object of it (id 0). */
  correct(id, found, prompts, className) {
    const mask = { area: found.area, box: found.box, rle: found.rle, prompts };
    if (this.item(id)) {
      this.#put(this.items.map((object) => (object.id === id ? { ...object, ...mask } : object)));
      return id;
    }
    this.#lastId += 1;
    this.#put([...this.items, { id: this.#lastId, class: className, score: null, ...mask }]);
    this.selectAll([this.#lastId]);
    return this.#lastId;
  }

  /** Make a new object of `spans`. */
  add(spans, className) {
    this.#lastId += 1;
    this.#put([...this.items, { id: this.#lastId, class: className, score: null, ...this.#maskOf(spans) }]);
    this.selectAll([this.#lastId]);
  }

  /** Give objects other masks, `masks`: id → spans; one of which nothing is left is gone. */
  paint(masks) {
    const changed = this.items.map((object) => {
      const spans = masks.get(object.id);
      return spans ? { ...object, ...this.#maskOf(spans), prompts: undefined } : object;
    });
    this.#put(changed.filter((object) => object.area > 0 || !masks.has(object.id)));
  }

  /** Make an object of each connected part of these; the largest keeps number and score. Returns how many came. */
  split(ids) {
    const pieces = new Map(
      this.items
        .filter((object) => ids.includes(object.id))
        .map((object) => [object.id, partsOf(spansOf(object.rle), this.size[0])])
        .filter(([, parts]) => parts.length > 1),
    );
    if (!pieces.size) return 0;
    const added = [];
    const objects = this.items.flatMap((object) => {
      const [first, ...others] = pieces.get(object.id) ?? [];
      if (!first) return [object];
      const made = others.map((spans) => {
        this.#lastId += 1;
        added.push(this.#lastId);
        return { ...object, id: this.#lastId, ...this.#maskOf(spans), prompts: undefined, row: undefined };
      });
      return [{ ...object, ...this.#maskOf(first), prompts: undefined }, ...made];
    });
    this.#put(objects);
    this.selectAll([...pieces.keys(), ...added]);
    return added.length;
  }

  remove(ids) {
    this.#put(this.items.filter((object) => !ids.includes(object.id)));
    this.selectAll([]);
  }

  rename(ids, name) {
    if (ids.every((id) => this.item(id)?.class === name)) return;
    this.#put(this.items.map((object) => (ids.includes(object.id) ? { ...object, class: name } : object)));
  }

  /** Make one object of several: it takes the name of the largest and the highest score. */
  merge(ids) {
    const parts = this.items.filter((object) => ids.includes(object.id));
    const largest = parts.reduce((one, other) => (other.area > one.area ? other : one));
    const spans = unionOf(parts.map((object) => spansOf(object.rle)));
    const scores = parts.map((object) => object.score).filter((score) => score !== null);
    const merged = {
      id: largest.id,
      class: largest.class,
      score: scores.length ? Math.max(...scores) : null,
      row: largest.row,
      ...this.#maskOf(spans),
    };
    const others = ids.filter((id) => id !== merged.id);
    this.#put(
      this.items
        .filter((object) => !others.includes(object.id))
        .map((object) => (object.id === merged.id ? merged : object)),
    );
    this.selectAll([merged.id]);
  }

  undo() {
    this.replaceItems(this.#edits.undo());
  }

  redo() {
    this.replaceItems(this.#edits.redo());
  }

  #maskOf(spans) {
    return { area: areaOf(spans), box: boxOf(spans, this.size[0]) ?? [0, 0, 0, 0], rle: rleOf(spans, this.size) };
  }

  #put(objects) {
    this.#edits.put(objects);
    this.replaceItems(objects);
  }
}
