// Makes JPEGs of bitmaps, away from the page's own thread, where encoding would wait for a quiet moment.

const QUALITY = 0.8;
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { alpha: false });

/** A bitmap comes, and goes back beside its JPEG: nobody copies it on the way. */
self.addEventListener("message", async ({ data: { bitmap } }) => {
  const { width, height } = bitmap;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
  const jpeg = await blob.arrayBuffer();
  const back = canvas.transferToImageBitmap();
  self.postMessage({ bitmap: back, jpeg }, [back, jpeg]);
});
