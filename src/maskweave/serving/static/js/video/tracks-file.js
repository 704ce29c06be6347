// The tracks file, which the server writes and reads: YouTube-VIS layout, see annotations/track_document.py.

import { areaOf, spansOf } from "../masks/rle.js";
import { Tracks } from "./tracks.js";

const BY_HAND = 1; // the score of what a person drew: a model is never as sure

/** The tracks of a document; `plays`: what the player shows, the "source" or the server's "overlay". */
export function tracksOf(document, { plays, minScore }) {
  const [video] = document.videos;
  const tracks = new Tracks({ size: [video.height, video.width], minScore });
  const start = plays === "source" ? (video.start_seconds ?? 0) : 0; // the server's own files begin at 0
  tracks.times = video.times_seconds.map((time) => time + start);
  const names = new Map(document.categories.map(({ id, name }) => [id, name]));
  tracks.begin(document.annotations.map((annotation) => trackOf(annotation, names)));
  return tracks;
}

/** The document with `tracks` in the place of its own. */
export function documentOf(tracks, document) {
  const categories = [...document.categories];
  const idOf = (name) => {
    const known = categories.find((category) => category.name === name);
    if (known) return known.id;
    categories.push({ id: Math.max(0, ...categories.map(({ id }) => id)) + 1, name });
    return categories.at(-1).id;
  };
  const [video] = document.videos;
  const annotations = tracks.items.map((track) => ({
    id: track.id,
    video_id: video.id,
    track_id: track.id,
    category_id: idOf(track.class),
    iscrowd: 0,
    height: video.height,
    width: video.width,
    length: tracks.times.length,
    score: track.score ?? BY_HAND,
    ...columnsOf(track, tracks.times.length),
  }));
  const { counts, ...others } = document; // what was counted was counted of other tracks
  return { ...others, categories, annotations };
}

function trackOf(annotation, names) {
  const frames = [];
  annotation.segmentations.forEach((rle, frame) => rle && frames.push(frame));
  const sightings = frames.map((frame) => {
    const [x, y, width, height] = annotation.bboxes[frame];
    const score = annotation.scores?.[frame] ?? annotation.score ?? null;
    return { rle: annotation.segmentations[frame], box: [x, y, x + width, y + height], score };
  });
  const { track_id: id = annotation.id, score } = annotation;
  return { id, class: names.get(annotation.category_id), score: score === BY_HAND ? null : score, frames, sightings };
}

/** A track's lists over all frames of the video, null where it is not seen. */
function columnsOf({ frames, sightings }, length) {
  const column = (valueOf) => {
    const values = Array.from({ length }, () => null);
    frames.forEach((frame, place) => (values[frame] = valueOf(sightings[place])));
    return values;
  };
  return {
    segmentations: column(({ rle }) => rle),
    bboxes: column(({ box: [x1, y1, x2, y2] }) => [x1, y1, x2 - x1, y2 - y1]),
    areas: column(({ rle }) => areaOf(spansOf(rle))),
    scores: column(({ score }) => score ?? BY_HAND),
  };
}
