// How large images are, from their first bytes.

const HEAD = 1 << 18; // bytes; what is longer before the size is read whole
const AT_ONCE = 4;

/** {width, height} of an image as it is shown, upright; null where the browser cannot tell. */
export async function imageSize(file) {
  return (await measured(file.slice(0, HEAD, file.type))) ?? (file.size > HEAD ? measured(file) : null);
}

/** The sizes of many images, in their order; `onProgress(count)` is called on the way. */
export async function imageSizes(files, onProgress) {
  const sizes = new Array(files.length);
  let next = 0;
  let done = 0;
  const work = async () => {
    while (next < files.length) {
      const place = next;
      next += 1;
      sizes[place] = await imageSize(files[place]);
      done += 1;
      onProgress(done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return sizes;
}

function measured(blob) {
  const address = URL.createObjectURL(blob);
  const image = new Image();
  return new Promise((resolve) => {
    image.onload = () => resolve(image.naturalWidth ? { width: image.naturalWidth, height: image.naturalHeight } : null);
    image.onerror = () => resolve(null);
    image.src = address;
  }).finally(() => URL.revokeObjectURL(address));
}
