// Marked objects that the server follows through a video.

import { sayBusy, startBusy } from "../page/busy.js";
import { fetchResult } from "../server/calls.js";
import { sayProgress } from "./job.js";
import { tracksOf } from "./tracks-file.js";

/** A promise of the tracks that `run`, a `VideoJob` of marked objects, gives; of null where it was cancelled. */
export async function followed(run, signal) {
  startBusy("Sending the video …", () => run.cancel());
  const onUpload = (sent) => sayBusy("Sending the video …", sent);
  const job = await run.run({ onUpload, onProgress: sayProgress, onFrames: () => {}, signal });
  if (job.status === "failed") throw new Error(job.error ?? "The server could not finish the video.");
  const file = job.results.find(({ name }) => name.endsWith(".tracks.json"));
  if (!file) return null;
  const document = JSON.parse(await (await fetchResult(file.href)).text());
  return tracksOf(document, { plays: "source", minScore: 0 });
}
