// A frame of a video with its objects on the stage.

import { IdBuffer } from "../masks/idbuffer.js";
import { Shapes } from "../masks/shape.js";
import { trackColour } from "../page/colours.js";
import * as draw from "../stage/draw.js";
import { drawBegun } from "./counters.js";

const LONGEST = 1280; // pixels of the longer side at which masks are drawn: there is one of each in every frame
const LIT = 0.25;
const VEIL = "rgb(0 0 0 / 0.55)";

/** Draws what `video` shows; `tracks` and `findings` may come later. */
export class VideoPainter {
  tool = null;
  tracks = null;
  findings = null;
  frame = 0;
  hasMasksDrawn = false; // the video is the overlay that the server drew

  #look;
  #counters;
  #shapes = null;
  #ids = null;

  constructor(video, picture, look, counters) {
    this.video = video;
    this.picture = picture;
    this.#look = look;
    this.#counters = counters;
  }

  /** Draw these tracks from now on. */
  follow(tracks, findings) {
    this.tracks = tracks;
    this.findings = findings;
    this.#shapes = new Shapes(tracks.size, LONGEST);
    for (const event of ["filter", "selection"]) findings.addEventListener(event, () => (this.#ids = null));
  }

  /** Draw frame `number` next. */
  show(number) {
    if (number !== this.frame) this.#ids = null;
    this.frame = number;
  }

  /** The id of the track at (x, y) in this frame, 0 where there is none. */
  hit(x, y) {
    if (!this.findings) return 0;
    const { scale } = this.#shapes;
    if (!this.#ids) {
      this.#ids = new IdBuffer(Math.ceil(this.tracks.size[1] * scale), Math.ceil(this.tracks.size[0] * scale));
      this.#ids.paint(this.#seen().map(({ id, rle }) => ({ id, crop: this.#shapes.of(rle).crop })));
    }
    return this.#ids.at(x * scale, y * scale);
  }

  paint(context, stage) {
    draw.drawPicture(context, stage, this.video, this.picture);
    context.save();
    if (this.#look.compares) draw.clipRightOf(context, stage, this.picture, this.#look.split);
    const meant = this.findings ? this.#meant() : [];
    if (this.findings?.selected.length) this.#paintVeil(context, stage, meant);
    for (const sighting of meant) this.#paintMask(context, stage, sighting);
    context.restore();
    for (const sighting of meant) this.#paintTag(context, stage, sighting);
    this.#counters.draw(context, stage, this.tracks, this.frame);
    drawBegun(context, stage, this.tool);
    if (stage.crosshair) draw.drawCrosshair(context, stage, stage.crosshair);
  }

  #seen() {
    return this.findings.shown
      .map((item) => ({ ...item, ...this.tracks.sighting(item.id, this.frame) }))
      .filter((item) => item.rle);
  }

  /** What is drawn: everything, or the selected alone. */
  #meant() {
    const alone = this.findings.selected.length > 0;
    return this.#seen().filter(({ id }) => !alone || this.findings.isSelected(id));
  }

  #paintVeil(context, stage, meant) {
    const { scale } = this.#shapes;
    stage.viewport.apply(context, scale);
    const veil = new Path2D();
    veil.rect(0, 0, this.picture.width * scale, this.picture.height * scale);
    veil.addPath(draw.joined(meant.map(({ rle }) => this.#shapes.of(rle).path)));
    context.fillStyle = VEIL;
    context.fill(veil, "evenodd");
  }

  #paintMask(context, stage, { id, rle }) {
    const isLit = id === this.findings.hovered;
    const isPlain = this.#look.mode === "outlines" || this.hasMasksDrawn || this.findings.isSelected(id);
    draw.drawMask(context, stage, {
      path: this.#shapes.of(rle).path,
      scale: this.#shapes.scale,
      colour: trackColour(id),
      fill: Math.min(1, (isPlain ? 0 : this.#look.opacity) + (isLit ? LIT : 0)),
      line: isLit ? 2.5 : 1.5,
    });
  }

  #paintTag(context, stage, { id, class: name, box }) {
    if (this.hasMasksDrawn && id !== this.findings.hovered) return;
    draw.drawTag(context, stage, `${name} ${id}`, box, trackColour(id));
  }
}
