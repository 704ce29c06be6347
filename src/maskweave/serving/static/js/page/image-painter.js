// An image with its objects on the stage.

import { IdBuffer } from "../masks/idbuffer.js";
import { css } from "../masks/palette.js";
import { Shapes } from "../masks/shape.js";
import * as draw from "../stage/draw.js";
import { Tags } from "../stage/tags.js";
import { imageColors } from "./colors.js";

const REVEAL = 350; // milliseconds in which first masks appear
const LIT = 0.25; // opacity that the pointer adds
const DIMMED = 0.55; // of the opacity of those that are not meant

/** Draws one `ImageDocument`, until `signal`. `bitmap` may be smaller than the image; masks are exact all the same. */
export class ImagePainter {
  tool = null;
  overlay = null; // what the tool draws besides: (context, stage) => void

  #ids = null;
  #areIdsStale = true;
  #blurred = null;
  #begun = null;

  constructor(bitmap, findings, look, signal) {
    this.bitmap = bitmap;
    this.findings = findings;
    this.look = look;
    const [height, width] = findings.size;
    this.imageSize = { width, height };
    this.shapes = new Shapes(findings.size);
    this.colorOf = imageColors(findings, look);
    const forgetIds = () => (this.#areIdsStale = true);
    for (const event of ["items", "filter"]) findings.addEventListener(event, forgetIds, { signal });
  }

  /** The id of the shown object at (x, y) of the image, 0 where there is none. */
  hit(x, y) {
    if (this.#areIdsStale) this.#paintIds();
    return this.#ids.at(x * this.shapes.scale, y * this.shapes.scale);
  }

  paint(context, stage) {
    draw.drawBitmap(context, stage, this.bitmap, this.imageSize);
    context.save();
    if (this.look.compares) draw.clipRightOf(context, stage, this.imageSize, this.look.split);
    if (this.look.mode === "cutout") this.#paintCutout(context, stage);
    else this.#paintMasks(context, stage);
    context.restore();
    this.#paintTags(context, stage);
    this.overlay?.(context, stage);
    if (stage.crosshair) draw.drawCrosshair(context, stage, stage.crosshair);
  }

  #paintIds() {
    const { width, height } = this.imageSize;
    const scale = this.shapes.scale;
    this.#ids ??= new IdBuffer(Math.ceil(width * scale), Math.ceil(height * scale));
    const free = this.findings.shown.filter(({ id }) => !this.findings.isLocked(id));
    this.#ids.paint(free.map(({ id, rle }) => ({ id, crop: this.shapes.of(rle).crop })));
    this.#areIdsStale = false;
  }

  #paintMasks(context, stage) {
    const shown = this.#revealed(stage);
    const hasSelection = this.findings.selected.length > 0;
    const isOutline = this.look.mode === "outlines";
    const largestFirst = [...this.findings.shown].sort((one, other) => other.area - one.area);
    for (const object of largestFirst) {
      const isLit = object.id === this.findings.hovered;
      const isSelected = this.findings.isSelected(object.id);
      const isMeant = isLit || isSelected || !(hasSelection || this.findings.hovered);
      const opacity = isOutline ? 0 : this.look.opacity * (isMeant ? 1 : DIMMED);
      draw.drawMask(context, stage, {
        path: this.shapes.of(object.rle).path,
        scale: this.shapes.scale,
        color: this.colorOf(object),
        fill: Math.min(1, opacity + (isLit ? LIT : 0)) * shown,
        line: (isLit || isSelected ? 2.5 : 1.5) * shown,
        halo: isSelected,
      });
      if (!object.area) draw.drawBox(context, stage, object.box, css(this.colorOf(object))); // its mask is not known yet
    }
  }

  #paintCutout(context, stage) {
    const chosen = this.findings.chosen.map(({ rle }) => this.shapes.of(rle).path);
    draw.drawCutout(context, stage, {
      bitmap: this.bitmap,
      blurred: () => (this.#blurred ??= draw.blurredCopy(this.bitmap, this.imageSize)),
      imageSize: this.imageSize,
      paths: chosen,
      scale: this.shapes.scale,
      look: this.look,
    });
    const lit = this.findings.shown.find((object) => object.id === this.findings.hovered);
    if (!lit) return;
    stage.viewport.apply(context, this.shapes.scale);
    context.fillStyle = css(this.colorOf(lit), LIT);
    context.fill(this.shapes.of(lit.rle).path);
  }

  #paintTags(context, stage) {
    const tags = new Tags(context, stage);
    for (const object of this.findings.shown) {
      const isSelected = this.findings.isSelected(object.id);
      if (object.id !== this.findings.hovered && !isSelected) continue;
      const score = object.score === null ? "" : `  ${object.score.toFixed(2)}`;
      const color = this.colorOf(object);
      tags.draw({ text: `${object.class}${score}`, box: object.box, color, isMeant: true });
      if (isSelected) draw.drawPoints(context, stage, object.prompts?.points ?? []);
    }
  }

  /** From 0 to 1 while the first masks appear. */
  #revealed(stage) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return 1;
    this.#begun ??= performance.now();
    const share = Math.min(1, (performance.now() - this.#begun) / REVEAL);
    if (share < 1) stage.invalidate();
    return 1 - (1 - share) ** 2;
  }
}
