// A mask as an image: white on black.

import { rasterise } from "./raster.js";

/** A PNG (a promise of the blob) of `spans` in an image of `size` [height, width]. */
export function maskImage(spans, size) {
  const canvas = new OffscreenCanvas(size[1], size[0]);
  const context = canvas.getContext("2d");
  context.fillRect(0, 0, canvas.width, canvas.height);
  const { x, y, width, height, data } = rasterise(spans, size);
  if (width && height) {
    const pixels = new ImageData(width, height);
    data.forEach((isOn, at) => pixels.data.set(isOn ? [255, 255, 255, 255] : [0, 0, 0, 255], 4 * at));
    context.putImageData(pixels, x, y);
  }
  return canvas.convertToBlob({ type: "image/png" });
}
