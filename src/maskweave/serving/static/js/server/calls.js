// The server's calls that the page uses, one function each.

import { credentials, Problem, request, requestJson, withQuery } from "./request.js";

const ALL_SCORES = 0.1; // ask for nearly everything once; the page filters by itself
const BETWEEN_LOOKS = 1000; // milliseconds, where a stream of events breaks

/** {image: [names], video: [names]} of the files that the server can write. */
export function fetchFormats() {
  return requestJson("GET", "v1/formats");
}

export function fetchModels() {
  return requestJson("GET", "v1/models");
}

/** Let the server fetch a model of its catalog; `fetchModels` says how far it is. */
export function getModel(name) {
  return request("POST", `v1/models/${encodeURIComponent(name)}`);
}

/** Let the server remove a model's files. */
export function removeModel(name) {
  return request("DELETE", `v1/models/${encodeURIComponent(name)}`);
}

/** Find the objects of an image file. */
export function segment(file, { task, model, onUpload, signal }) {
  const path = withQuery("v1/segment", { score: ALL_SCORES, task, model });
  return requestJson("POST", path, { body: form({ image: file }), onUpload, signal });
}

/** One object from what a person points at; see `Prompts`. Returns {area, box, rle}. */
export async function refine(file, prompts, model) {
  const asked = { points: prompts.points, box: prompts.box, rle: prompts.base, model };
  const body = form({ image: file, request: JSON.stringify(asked) });
  return (await requestJson("POST", "v1/refine", { body })).object;
}

/** The objects as a file: {blob, name}. */
export async function exportObjects(file, format, objects, options) {
  const sent = objects.map(({ id, class: name, score, rle }) => ({ id, class: name, score, rle }));
  const asked = { format, objects: sent, options, name: plainName(file.name) };
  const body = form({ image: file, request: JSON.stringify(asked) });
  return fileOf(await request("POST", "v1/export", { body }), format);
}

/** Tracks (a blob of the tracks file) in another format: a promise of the file. */
export async function exportTracks(tracks, format) {
  const body = form({ tracks, request: JSON.stringify({ format }) });
  return (await request("POST", "v1/tracks/export", { body })).blob;
}

/** What a data set's label files (a zip) say of its images [{name, width, height}]. */
export function readLabels(labels, images) {
  const body = form({ labels, request: JSON.stringify({ images }) });
  return requestJson("POST", "v1/datasets/read", { body });
}

/** The label files (a zip) with corrected images in them; a promise of the zip. */
export async function reviseLabels(labels, images, revisions) {
  const body = form({ labels, request: JSON.stringify({ images, revisions }) });
  return (await request("POST", "v1/datasets/revise", { body })).blob;
}

/** All objects of a data set's label files (a zip) in another format: {blob, name}. */
export async function exportSet(labels, images, format) {
  const body = form({ labels, request: JSON.stringify({ images, format }) });
  return fileOf(await request("POST", "v1/datasets/export", { body }), format);
}

/** Begin with a video; returns the job. `masks`: what is to be followed, [{frame, objects: [{id, rle}]}]. */
export function startVideo(file, { task, model, save, score, lines = [], zones = [], drawnOn, every, masks = null, onUpload, signal }) {
  const query = { score, task, model, save: save.join(","), line: lines, zone: zones, every, preview: true, name: plainName(file.name) };
  if (lines.length || zones.length) query.drawn_on = `${drawnOn.width}x${drawnOn.height}`;
  const path = withQuery("v1/videos", query);
  const body = form(masks ? { video: file, request: JSON.stringify({ masks }) } : { video: file });
  return requestJson("POST", path, { body, onUpload, signal });
}

/** Begin to make the files `save` of a video anew, from `tracks` (a blob of the tracks file); returns the job. */
export function startDrawing(file, tracks, { save, onUpload, signal }) {
  const path = withQuery("v1/videos/tracks", { save: save.join(","), name: plainName(file.name) });
  return requestJson("POST", path, { body: form({ video: file, tracks }), onUpload, signal });
}

/** Frames that a job has done, as lines of JSON, from byte `offset` of them on. */
export async function fetchFrames(id, offset, signal) {
  return (await request("GET", withQuery(`v1/jobs/${id}/frames`, { offset }), { signal })).blob.text();
}

/** Follow a job until it ends, calling `onProgress(job)`; returns the job as it ended. */
export async function followJob(id, onProgress, signal) {
  for (;;) {
    for await (const job of jobEvents(id, signal)) {
      onProgress(job);
      if (isOver(job)) return reachable(job);
    }
    const job = await requestJson("GET", `v1/jobs/${id}`, { signal });
    if (isOver(job)) return reachable(job);
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS));
  }
}

/** How a job stands; throws `Problem` when the server no longer knows it. */
export function fetchJob(id) {
  return requestJson("GET", `v1/jobs/${id}`);
}

/** Cancel a job, or remove one that has ended. */
export function removeJob(id) {
  return request("DELETE", `v1/jobs/${id}`);
}

/** The content of one of a job's results, by the address the job gave. */
export async function fetchResult(href) {
  return (await request("GET", href)).blob;
}

/** The job with the addresses of its results as seen from this page, which a proxy may serve under a path. */
function reachable(job) {
  const results = job.results.map((each) => ({ ...each, href: each.href.replace(/^\//, "") }));
  return { ...job, results };
}

function isOver(job) {
  return ["done", "failed", "cancelled"].includes(job.status);
}

/** A file's name as the server takes it: without what would lead elsewhere. */
function plainName(name) {
  return (name ?? "").replaceAll(/[/\\:\p{Cc}]/gu, "_").replace(/^\.+/, "").slice(-200) || "image";
}

function form(fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) data.append(name, value, value.name ?? name);
    else data.append(name, value);
  }
  return data;
}

/** The server's events about a job; ends early where the stream does. */
async function* jobEvents(id, signal) {
  const headers = { Accept: "text/event-stream", ...credentials() };
  const answer = await fetch(`v1/jobs/${id}/events`, { headers, signal }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server cannot be reached. Is it still running?");
  });
  if (!answer.ok) return;
  let text = "";
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (text + value).split(/\r?\n\r?\n/);
    text = events.pop();
    for (const event of events) {
      const lines = event.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      if (lines.length) yield JSON.parse(lines.map((line) => line.slice(5)).join("\n"));
    }
  }
}

function fileOf({ blob, header }, format) {
  return { blob, name: attachmentName(header("Content-Disposition")) ?? format };
}

function attachmentName(header) {
  const encoded = /filename\*=utf-8''([^;]+)/i.exec(header ?? "");
  if (encoded) return decodeURIComponent(encoded[1]);
  return /filename="?([^";]+)"?/i.exec(header ?? "")?.[1] ?? null;
}
