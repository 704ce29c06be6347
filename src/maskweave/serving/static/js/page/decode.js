// Images as the browser can show them.

import { displayScale } from "../masks/shape.js";

/**
 * A bitmap of an image file, upright; a huge one is scaled for display. Null where the browser does not know the
 * kind of file (TIFF, 16 bits, …): the server can then say what it looks like.
 */
export async function decodeImage(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return null;
  }
  const scale = displayScale([bitmap.height, bitmap.width]);
  if (scale === 1) return bitmap;
  const resized = await createImageBitmap(bitmap, {
    resizeWidth: Math.round(bitmap.width * scale),
    resizeHeight: Math.round(bitmap.height * scale),
    resizeQuality: "high",
  });
  bitmap.close();
  return resized;
}

/** The image again with at most `pixels` of them, under the same name; null where the browser cannot show it. */
export async function scaledDown(file, pixels) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return null;
  const scale = Math.min(1, Math.sqrt(pixels / (bitmap.width * bitmap.height)));
  const canvas = new OffscreenCanvas(Math.floor(bitmap.width * scale), Math.floor(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
  return new File([blob], file.name, { type: blob.type });
}

/** Shows a bitmap alone, before there are results. */
export class PlainPainter {
  tool = null;

  constructor(bitmap) {
    this.bitmap = bitmap;
  }

  paint(context, stage) {
    stage.viewport.apply(context);
    context.imageSmoothingQuality = "high";
    context.drawImage(this.bitmap, 0, 0);
  }
}
