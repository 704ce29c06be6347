// A live frame with its objects on the stage, or on the canvas that is recorded.

import { objectColor } from "../masks/palette.js";
import { Shapes } from "../masks/shape.js";
import * as draw from "../stage/draw.js";
import { Tags } from "../stage/tags.js";
import { Viewport } from "../stage/viewport.js";
import { drawBegun } from "../video/counters.js";
import { Background } from "./background.js";

const KEPT = 64; // shapes: those of one frame

/** Draws the newest frame that was answered. `scene` says how, see `Scene`. */
export class LivePainter {
  tool = null;
  imageSize = { width: 640, height: 480 };
  frame = null; // {bitmap, answer}

  #scene;
  #look;
  #counters;
  #shapes = null;
  #background = new Background();
  #composed = null; // until the next frame or another scene

  constructor(scene, look, counters) {
    this.#scene = scene;
    this.#look = look;
    this.#counters = counters;
    scene.addEventListener("change", () => (this.#composed = null));
  }

  /** Draw this frame from now on; the one before is let go of. */
  show(frame) {
    if (this.frame && this.frame.bitmap !== frame.bitmap) this.frame.bitmap.close();
    this.frame = frame;
    this.#composed = null;
    const { bitmap, answer } = frame;
    this.imageSize = { width: bitmap.width, height: bitmap.height };
    this.#shapes = new Shapes(answer.size, { maxKept: KEPT });
  }

  close() {
    this.frame?.bitmap.close();
    this.frame = null;
  }

  /** Objects of the frame that are shown. */
  get shown() {
    return this.frame ? this.frame.answer.objects.filter((object) => this.#scene.isShown(object)) : [];
  }

  colorOf = (object) => objectColor(this.#look.colorBy === "class" ? this.#scene.placeOf(object.class) : object.id - 1);

  paint(context, stage) {
    if (!this.frame) return;
    if (this.#scene.ground.kind === "transparent") draw.drawGround(context, stage, { imageSize: this.imageSize, look: { background: "transparent" } });
    this.#paintFrame(context, stage);
    drawBegun(context, stage, this.tool);
    if (stage.crosshair) draw.drawCrosshair(context, stage, stage.crosshair);
  }

  /** Paint all of the frame, and nothing else, on a canvas of its size. */
  paintPlain(context, canvas) {
    if (!this.frame) return;
    const viewport = new Viewport();
    viewport.resize(this.imageSize, 0, 0);
    viewport.show(this.imageSize);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.#paintFrame(context, { viewport, canvas, ratio: 1 });
  }

  #paintFrame(context, stage) {
    const { bitmap } = this.frame;
    const image = this.#image();
    if (this.#look.compares) {
      draw.drawBitmap(context, stage, bitmap, this.imageSize, "low");
      context.save();
      draw.clipRightOf(context, stage, this.imageSize, this.#look.split);
    }
    draw.drawBitmap(context, stage, image, this.imageSize, "low");
    if (this.#scene.hasMarks) for (const object of this.shown) this.#paintMask(context, stage, object);
    if (this.#look.compares) context.restore();
    const tags = new Tags(context, stage);
    this.#counters.draw(context, stage, 0, tags);
    if (this.#scene.hasMarks) for (const object of this.shown) this.#paintTag(tags, object);
  }

  /** The frame, or what is made of it by another background. */
  #image() {
    const { ground } = this.#scene;
    if (ground.kind === "none") return this.frame.bitmap;
    this.#composed ??= this.#background.compose(this.frame.bitmap, {
      paths: this.shown.filter((object) => this.#scene.isKept(object)).map(({ rle }) => this.#shapes.of(rle).path),
      stretch: this.#stretch.map((part) => part / this.#shapes.scale),
      ground,
    });
    return this.#composed;
  }

  /** How much wider and higher a pixel of the masks is shown: a large frame of the server comes smaller. */
  get #stretch() {
    const [height, width] = this.frame.answer.size;
    return [this.imageSize.width / width, this.imageSize.height / height];
  }

  #paintMask(context, stage, object) {
    draw.drawMask(context, stage, {
      path: this.#shapes.of(object.rle).path,
      scale: this.#shapes.scale,
      stretch: this.#stretch,
      color: this.colorOf(object),
      fill: this.#look.mode === "outlines" ? 0 : this.#look.opacity,
      line: 1.5,
    });
  }

  #paintTag(tags, object) {
    const [across, down] = this.#stretch;
    const [x1, y1, x2, y2] = object.box;
    const number = object.score === null ? "" : ` ${object.id}`;
    const box = [x1 * across, y1 * down, x2 * across, y2 * down];
    tags.draw({ text: `${object.class}${number}`, box, color: this.colorOf(object) });
  }
}
