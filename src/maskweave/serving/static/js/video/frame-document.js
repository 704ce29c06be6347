// The objects of one frame of a video, as the tools for images take them.

import { areaOf, boxOf, rleOf } from "../masks/rle.js";
import { refine } from "../server/calls.js";

const QUALITY = 0.95; // of the JPEG that the server looks at

/** What is seen of `tracks` in the frame that `painter` shows; a change is one of that frame alone. */
export class FrameDocument {
  #tracks;
  #painter;
  #objects = new WeakMap(); // sighting, or track that is not seen → what the tools take for it
  #image = { frame: -1, file: null }; // the frame that was taken last

  constructor(tracks, painter) {
    this.#tracks = tracks;
    this.#painter = painter;
  }

  get size() {
    return this.#tracks.size;
  }

  get selected() {
    return this.#tracks.selected.map((track) => this.#objectOf(track));
  }

  item(id) {
    const track = this.#tracks.item(id);
    return track && this.#objectOf(track);
  }

  isLocked(id) {
    return this.#tracks.isLocked(id);
  }

  select(id, options) {
    this.#tracks.select(id, options);
  }

  selectAll(ids) {
    this.#tracks.selectAll(ids);
  }

  /** What the server makes of prompts in this frame. */
  async refine(prompts, model) {
    const { frame } = this.#painter;
    return { ...(await refine(await this.#imageOf(frame), prompts, model)), frame };
  }

  /** Put an answer of `refine` into track `id`, or make a new track of it (id 0). Returns its id. */
  correct(id, { frame, rle, box }, prompts, className) {
    return this.#tracks.draw(frame, new Map([[id, { rle, box, score: null, prompts }]]), className);
  }

  add(spans, className) {
    this.#tracks.draw(this.#painter.frame, new Map([[0, this.#sightingOf(spans)]]), className);
  }

  /** Give objects other masks, `masks`: id → spans; one of which nothing is left is not seen in this frame. */
  paint(masks) {
    const sightings = new Map([...masks].map(([id, spans]) => [id, this.#sightingOf(spans)]));
    this.#tracks.draw(this.#painter.frame, sightings);
  }

  #sightingOf(spans) {
    return spans.length ? { rle: rleOf(spans, this.size), box: boxOf(spans, this.size[0]), score: null } : null;
  }

  /** The same object for the same state of the same frame: previews are told apart by it. */
  #objectOf(track) {
    const sighting = this.#tracks.sighting(track.id, this.#painter.frame);
    const known = this.#objects.get(sighting ?? track);
    if (known?.class === track.class && known.id === track.id) return known;
    const { rle = rleOf(new Uint32Array(), this.size), box = null, prompts } = sighting ?? {};
    const object = { id: track.id, class: track.class, rle, box, prompts, area: sighting ? areaOf(this.#painter.spansOf(rle)) : 0 };
    this.#objects.set(sighting ?? track, object);
    return object;
  }

  #imageOf(frame) {
    if (this.#image.frame !== frame) this.#image = { frame, file: imageOf(this.#painter.video, this.size) };
    return this.#image.file;
  }
}

/** A promise of what `video` shows now, in the size of its tracks, as a file. */
async function imageOf(video, [height, width]) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").drawImage(video, 0, 0, width, height);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  return new File([blob], "frame.jpg", { type: blob.type });
}
