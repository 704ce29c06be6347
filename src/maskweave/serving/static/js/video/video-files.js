// The files of a video's run: as the server made them, or made anew once tracks were corrected.

import { showDownloads } from "../page/downloads.js";
import { formatOf, ownName, saveBlob, saveLink, wordsOf } from "../page/save.js";
import * as calls from "../server/calls.js";
import { openSession } from "../server/request.js";
import { bytes } from "../words.js";
import { Drawing } from "./drawing.js";
import { documentOf } from "./tracks-file.js";

const MORE = { drawn: ", made anew when you get it", kept: ", as found before you corrected it" };

/** Offers the files; `corrected()` is {tracks, document} once a person has changed something, null before. */
export class VideoFiles {
  #formats;
  #file;
  #name;
  #corrected;
  #drawing;
  #ran = null; // the job that made them

  constructor({ formats, file, name, corrected, signal }) {
    this.#formats = formats;
    this.#file = file;
    this.#name = name;
    this.#corrected = corrected;
    this.#drawing = new Drawing(file, signal);
  }

  /** Offer the results of the job `ran`. */
  show(ran) {
    this.#ran = ran;
    const rows = ran.results.map((each) => this.#row(each));
    const what = this.#corrected() ? "With your corrections, where not said otherwise." : "The files of this run.";
    showDownloads(rows, what, { archive: `${this.#name.replace(/\.[^.]*$/, "")}.zip` });
  }

  #row({ name: given, media_type: kind, bytes: size, href }) {
    const name = ownName(given, this.#name);
    const format = formatOf(given, this.#formats);
    const words = wordsOf(format, this.#formats) || kind;
    const isOfTracks = this.#formats.tracks.includes(format);
    const isMadeAnew = () => this.#corrected() && (isOfTracks || this.#isDrawn(format));
    const fetch = async () => {
      if (isMadeAnew()) return saveBlob(await this.#anew(format), name);
      await calls.fetchJob(this.#ran.id); // the server forgets files after a while; this says so
      await openSession();
      return saveLink(href, name);
    };
    const content = async () => {
      if (isMadeAnew()) return [{ name, blob: await this.#anew(format) }];
      await calls.fetchJob(this.#ran.id);
      return [{ name, blob: await calls.fetchResult(href) }];
    };
    const more = this.#corrected() && !isOfTracks ? MORE[isMadeAnew() ? "drawn" : "kept"] : "";
    return { name, words: words + more, size: isMadeAnew() ? "" : bytes(size), fetch, content };
  }

  /** A file of the run, made of the tracks as they are now. */
  async #anew(format) {
    if (this.#isDrawn(format)) return this.#drawn(format);
    const tracks = this.#tracksFile();
    return format === "tracks" ? tracks : calls.exportTracks(tracks, format);
  }

  /** Whether a format has images, so that it takes the video to make it anew. */
  #isDrawn(format) {
    return Boolean(this.#file) && this.#formats.video_by_task.instances.includes(format) && !this.#formats.tracks.includes(format);
  }

  async #drawn(format) {
    const formatsOf = (results) => results.map(({ name }) => formatOf(name, this.#formats));
    const save = formatsOf(this.#ran.results).filter((each) => this.#isDrawn(each));
    const results = await this.#drawing.results(this.#corrected().tracks.items, () => this.#tracksFile(), save);
    return calls.fetchResult(results[formatsOf(results).indexOf(format)].href);
  }

  #tracksFile() {
    const { tracks, document } = this.#corrected();
    return new Blob([JSON.stringify(documentOf(tracks, document))], { type: "application/json" });
  }
}
