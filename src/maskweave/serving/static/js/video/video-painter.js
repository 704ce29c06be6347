// A frame of a video with its objects on the stage.

import { IdBuffer } from "../masks/idbuffer.js";
import { Shapes } from "../masks/shape.js";
import { trackColors } from "../page/colors.js";
import * as draw from "../stage/draw.js";
import { Tags } from "../stage/tags.js";
import { drawBegun } from "./counters.js";

const MAX_SIDE = 1280; // pixels of the longer side at which masks are drawn: there is one of each in every frame
const KEPT = 4000; // shapes: those of a long video would fill the memory
const LIT = 0.25;
const VEIL = "rgb(0 0 0 / 0.55)";

/** Draws what `video` shows; the tracks may come later. */
export class VideoPainter {
  tool = null;
  tracks = null;
  colorOf = null; // track → [red, green, blue]
  frame = 0;
  hasMasksDrawn = false; // the video is the overlay that the server drew
  overlay = null; // what the tool draws besides: (context, stage) => void

  #look;
  #counters;
  #shapes = null;
  #ids = null;

  constructor(video, imageSize, look, counters) {
    this.video = video;
    this.imageSize = imageSize;
    this.#look = look;
    this.#counters = counters;
  }

  /** Draw these tracks from now on. */
  follow(tracks) {
    this.tracks = tracks;
    this.colorOf = trackColors(tracks, this.#look);
    this.#shapes = new Shapes(tracks.size, { maxSide: MAX_SIDE, maxKept: KEPT });
    for (const event of ["items", "filter"]) tracks.addEventListener(event, () => (this.#ids = null));
    this.#ids = null;
  }

  /** How much wider and higher a pixel of the tracks is shown: they count coded pixels, players show square ones. */
  get #stretch() {
    return [this.imageSize.width / this.tracks.size[1], this.imageSize.height / this.tracks.size[0]];
  }

  /** Whether pixels of the tracks are not shown square. */
  get isStretched() {
    return this.#stretch.some((each) => Math.abs(each - 1) > 0.01);
  }

  /** Whether a person has drawn track `id` in this frame. */
  isDrawn(id) {
    return this.tracks.sighting(id, this.frame)?.score === null;
  }

  spansOf(rle) {
    return this.#shapes.of(rle).spans;
  }

  /** A box of the tracks in pixels of the image. */
  shownBox([x1, y1, x2, y2]) {
    const [across, down] = this.#stretch;
    return [x1 * across, y1 * down, x2 * across, y2 * down];
  }

  /** Draw frame `number` next; -1 has no objects. */
  show(number) {
    if (number !== this.frame) this.#ids = null;
    this.frame = number;
  }

  /** The id of the track at (x, y) in this frame, 0 where there is none. */
  hit(x, y) {
    if (!this.tracks) return 0;
    const { scale } = this.#shapes;
    if (!this.#ids) {
      this.#ids = new IdBuffer(Math.ceil(this.tracks.size[1] * scale), Math.ceil(this.tracks.size[0] * scale));
      const free = this.#seen().filter(([{ id }]) => !this.tracks.isLocked(id));
      this.#ids.paint(free.map(([{ id }, { rle }]) => ({ id, crop: this.#shapes.of(rle).crop })));
    }
    const [across, down] = this.#stretch;
    return this.#ids.at((x / across) * scale, (y / down) * scale);
  }

  paint(context, stage) {
    draw.drawBitmap(context, stage, this.video, this.imageSize);
    context.save();
    if (this.#look.compares) draw.clipRightOf(context, stage, this.imageSize, this.#look.split);
    const meant = this.tracks ? this.#meant() : [];
    if (this.tracks?.selected.length) {
      if (!this.overlay) this.#paintVeil(context, stage, meant); // whoever draws wants to see
      for (const seen of this.#seen()) if (!meant.includes(seen)) this.#paintFaint(context, stage, seen);
    }
    for (const seen of meant) this.#paintMask(context, stage, seen);
    context.restore();
    const tags = new Tags(context, stage);
    this.#counters.draw(context, stage, this.frame, tags);
    const lit = this.tracks?.hovered ? this.#seen().filter(([{ id }]) => id === this.tracks.hovered && !this.tracks.isSelected(id)) : [];
    this.#paintTags(tags, this.tracks?.selected.length ? [...meant, ...lit] : meant);
    drawBegun(context, stage, this.tool);
    this.overlay?.(context, stage);
    if (stage.crosshair) draw.drawCrosshair(context, stage, stage.crosshair);
  }

  /** [[track, sighting], …] of what is shown of this frame. */
  #seen() {
    return this.tracks.at(this.frame).filter(([track]) => this.tracks.isShown(track));
  }

  /** What is drawn: everything, or the selected alone. */
  #meant() {
    const isAlone = this.tracks.selected.length > 0;
    return this.#seen().filter(([{ id }]) => !isAlone || this.tracks.isSelected(id));
  }

  #paintVeil(context, stage, meant) {
    const { scale } = this.#shapes;
    stage.viewport.apply(context, scale, this.#stretch);
    const veil = new Path2D();
    veil.rect(0, 0, this.tracks.size[1] * scale, this.tracks.size[0] * scale);
    veil.addPath(draw.joined(meant.map(([, { rle }]) => this.#shapes.of(rle).path)));
    context.fillStyle = VEIL;
    context.fill(veil, "evenodd");
  }

  #paintMask(context, stage, [track, { rle }]) {
    const { id } = track;
    const isLit = id === this.tracks.hovered;
    const isPlain = this.#look.mode === "outlines" || this.hasMasksDrawn || this.tracks.isSelected(id);
    draw.drawMask(context, stage, {
      path: this.#shapes.of(rle).path,
      scale: this.#shapes.scale,
      stretch: this.#stretch,
      color: this.colorOf(track),
      fill: Math.min(1, (isPlain ? 0 : this.#look.opacity) + (isLit ? LIT : 0)),
      line: isLit ? 2.5 : 1.5,
    });
  }

  /** The border of one that is not selected, so that it can be. */
  #paintFaint(context, stage, [track, { rle }]) {
    const isLit = track.id === this.tracks.hovered;
    draw.drawMask(context, stage, {
      path: this.#shapes.of(rle).path,
      scale: this.#shapes.scale,
      stretch: this.#stretch,
      color: this.colorOf(track),
      fill: isLit ? LIT : 0,
      line: isLit ? 2 : 1,
    });
  }

  #paintTags(tags, meant) {
    const isMeant = ([{ id }]) => id === this.tracks.hovered || this.tracks.isSelected(id);
    for (const seen of [...meant.filter(isMeant), ...meant.filter((each) => !isMeant(each))]) {
      const [{ id, class: name }, { box }] = seen;
      if (this.hasMasksDrawn && id !== this.tracks.hovered) continue;
      tags.draw({ text: `${name} ${id}`, box: this.shownBox(box), color: this.colorOf(seen[0]), isMeant: isMeant(seen) });
    }
  }
}
