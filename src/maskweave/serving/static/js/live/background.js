// What lies behind the objects that are kept: the image blurred, a color, another image, or nothing.

import { joined } from "../stage/draw.js";

const SOFT = 2; // pixels over which a border fades, so that it does not tremble: masks are drawn so much smaller
const SMALL = 160; // pixels of the longer side of what is blurred
const BLUR = 4; // pixels there

/** @typedef {{kind: "none"|"blur"|"color"|"image"|"transparent", color: string, image: ImageBitmap|null}} Ground */

/** Composes frames; one object serves one live video, so that its canvases are made once. */
export class Background {
  #mask = new OffscreenCanvas(1, 1);
  #front = new OffscreenCanvas(1, 1);
  #small = new OffscreenCanvas(1, 1);

  /** A canvas of the frame's size: what `paths`, to be drawn by `stretch`, enclose of `bitmap`, before the `ground`. */
  compose(bitmap, { paths, stretch: [across, down], ground }) {
    const { width, height } = bitmap;
    resize(this.#front, width, height);
    resize(this.#mask, Math.ceil(width / SOFT), Math.ceil(height / SOFT));
    const mask = this.#mask.getContext("2d");
    mask.setTransform(1, 0, 0, 1, 0, 0);
    mask.clearRect(0, 0, width, height);
    mask.setTransform(across / SOFT, 0, 0, down / SOFT, 0, 0);
    mask.fill(joined(paths));
    const front = this.#front.getContext("2d");
    front.globalCompositeOperation = "copy";
    front.drawImage(this.#mask, 0, 0, this.#mask.width * SOFT, this.#mask.height * SOFT);
    front.globalCompositeOperation = "source-in";
    front.drawImage(bitmap, 0, 0);
    front.globalCompositeOperation = "destination-over";
    this.#drawGround(front, bitmap, ground);
    return this.#front;
  }

  #drawGround(context, bitmap, { kind, color, image }) {
    const { width, height } = bitmap;
    if (kind === "color") {
      context.fillStyle = color;
      context.fillRect(0, 0, width, height);
    } else if (kind === "image" && image) {
      drawCovering(context, image, width, height);
    } else if (kind === "blur") {
      context.imageSmoothingQuality = "low";
      context.drawImage(this.#blurred(bitmap), 0, 0, width, height);
    }
  }

  #blurred(bitmap) {
    const shrink = SMALL / Math.max(bitmap.width, bitmap.height);
    const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * shrink)));
    resize(this.#small, width, height);
    const context = this.#small.getContext("2d");
    context.imageSmoothingQuality = "medium";
    context.drawImage(bitmap, 0, 0, width, height); // so that the border does not fade
    context.filter = `blur(${BLUR}px)`;
    context.drawImage(bitmap, 0, 0, width, height);
    context.filter = "none";
    return this.#small;
  }
}

/** Draw `image` so that it covers all; what does not fit is cut off on both sides. */
function drawCovering(context, image, width, height) {
  const scale = Math.max(width / image.width, height / image.height);
  const [across, down] = [image.width * scale, image.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(image, (width - across) / 2, (height - down) / 2, across, down);
}

function resize(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
}
