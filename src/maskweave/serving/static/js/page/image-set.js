// What was made of several images, as one file or one zip in any format.

import { exportObjects, exportSet } from "../server/calls.js";
import { joinedCoco } from "./coco-set.js";
import { ownName } from "./save.js";
import { filesOfZip } from "./unzip.js";
import { zipOf } from "./zip.js";

const LABELS = "images.coco.json";
const PER_IMAGE = ["html", "geojson"]; // they say more of an image than its objects

/**
 * {blob, name} of `images` [{name, file, size, objects}] in a format; one of annotations is one set of all images, for
 * which the server is told names and sizes. `onProgress(place)` is called before each image.
 */
export async function setOf(images, format, { isAnnotation, onProgress }) {
  if (!isAnnotation || PER_IMAGE.includes(format)) return { blob: await zipOf(await filesOf(images, format, onProgress)), name: `images.${format}.zip` };
  const coco = await cocoOf(images, await filesOf(images, "coco", onProgress));
  if (format === "coco") return { blob: coco, name: LABELS };
  const measured = images.map(({ name, size: [height, width] }) => ({ name, width, height }));
  const made = await exportSet(await zipOf([{ name: LABELS, blob: coco }]), measured, format);
  return format === "yolo" ? { ...made, blob: await withImages(made.blob, images) } : made;
}

/** A file of each image, named and placed as the image is. */
async function filesOf(images, format, onProgress) {
  const files = [];
  for (const { name, file, objects } of images) {
    onProgress(files.length);
    const made = await exportObjects(file, format, objects, {});
    const folder = name.slice(0, name.lastIndexOf("/") + 1); // so that equal names stay apart
    files.push({ name: folder + ownName(made.name, file.name), blob: made.blob });
  }
  return files;
}

/** The images' files as one, in which each image has its own name in the folder. */
async function cocoOf(images, files) {
  const documents = await Promise.all(files.map(async ({ blob }) => JSON.parse(await blob.text())));
  documents.forEach(({ images: [image] }, place) => (image.file_name = images[place].name));
  return new Blob([JSON.stringify(joinedCoco(documents))], { type: "application/json" });
}

/** A zip of the YOLO layout with the images in their places, so that it opens as it is. */
async function withImages(zip, images) {
  const labels = await Promise.all((await filesOfZip(zip)).map(async ({ name, blob }) => ({ name, blob: await blob() })));
  const root = labels.find(({ name }) => name.endsWith("data.yaml")).name.replace(/data\.yaml$/, "");
  return zipOf([...labels, ...images.map(({ name, file }) => ({ name: `${root}images/${name}`, blob: file }))]);
}
