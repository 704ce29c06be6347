// A video: what is asked of the server, the player, the timeline and the lists, tied together.

import { find } from "../dom.js";
import { announce, notify } from "../notify.js";
import { endBusy, showProgress, startBusy } from "../page/busy.js";
import { showDownloads } from "../page/downloads.js";
import { EditingView } from "../page/editing-view.js";
import { showHint } from "../page/hint.js";
import { keep, thumbnailOf } from "../page/history.js";
import { offerPresets } from "../page/presets.js";
import { saveBlob } from "../page/save.js";
import * as calls from "../server/calls.js";
import { openSession } from "../server/request.js";
import { bytes, counted, tally } from "../words.js";
import { Counters, lineTool, ZoneTool } from "./counters.js";
import { countsTable } from "./counts-table.js";
import { followed } from "./following.js";
import { FRAME_TOOLS, FrameTools, whyNoTools } from "./frame-tools.js";
import { showJobProgress, VideoJob } from "./job.js";
import { Player } from "./player.js";
import { Prepare } from "./prepare.js";
import { documentOf, tracksOf } from "./tracks-file.js";
import { Tracks } from "./tracks.js";
import { VideoFiles } from "./video-files.js";
import { VideoPainter } from "./video-painter.js";

const ALL_SCORES = 0.1; // what the run was asked for is shown; the filter begins with all of it
const BEHIND = 0.2; // seconds after the last frame that a running job has done in which its objects are still shown
const SAVED_AFTER = 600; // milliseconds without a change
const HINTS = {
  line: "Drag a line, or click at both ends.",
  zone: "Click at the corners; click at the first one again to close the zone.",
};

/** One video. `page` has what all views share; the counters belong to the video. */
export class VideoView extends EditingView {
  kind = "video";

  #file;
  #name;
  #id;
  #player = null;
  #counters = null;
  #prepare = null;
  #files;
  #job = null; // the run at work
  #ran = null; // the server's job of the last run, as it ended
  #document = null; // its tracks file
  #wasCorrected = false; // at an earlier time, before it was opened again
  #saving = 0;
  #ended = new AbortController();

  constructor(page, file, { id = crypto.randomUUID?.() ?? String(Date.now()), name = file?.name } = {}) {
    super(page, "track");
    this.#file = file;
    this.#name = name || "video";
    const corrected = () => (this.#isCorrected ? { tracks: this.findings, document: this.#document } : null);
    this.#files = new VideoFiles({ formats: page.formats, file, name: this.#name, corrected, signal: this.#ended.signal });
    this.#id = id;
  }

  /** Whether leaving would end something that is at work. */
  get isWorking() {
    return this.#job !== null;
  }

  /** Show the video so that it can be prepared, or with `result` from an earlier time. */
  async open(result = null) {
    this.#player = new Player((time) => this.#showFrame(time));
    this.#counters = new Counters(() => this.#countAnew(), result?.counters ?? []);
    const plays = this.#file ? await this.#player.load(this.#file) : false;
    if (this.#ended.signal.aborted) return;
    this.#show(plays ? this.#player.size : { width: 1280, height: 720 });
    if (!plays && this.#file) notify("This browser cannot play the file; the result can be played when it is done.");
    this.#prepare = new Prepare(this.page, { onStart: () => this.#start(), signal: this.#ended.signal });
    find("#save-counts").addEventListener("click", () => this.#saveCounts(), { signal: this.#ended.signal });
    find("#about-run").textContent = this.#file ? `${this.#name} · ${bytes(this.#file.size)}` : this.#name;
    this.#wasCorrected = Boolean(result?.isCorrected);
    if (result) await this.#showResult(result);
  }

  close() {
    this.#ended.abort();
    this.#job?.cancel();
    if (this.#saving) this.#keep();
    this.#player?.close();
    this.page.timeline.clear();
    find("#stage").classList.remove("stage--waiting");
    endBusy();
  }

  chooseTool(name) {
    const { stage } = this.page;
    if (!this.painter || !["select", "line", "zone", ...FRAME_TOOLS].includes(name)) return;
    const { imageSize } = this.painter;
    const done = () => this.chooseTool("select");
    const why = FRAME_TOOLS.includes(name) && whyNoTools({ tracks: this.#document && this.findings, painter: this.painter, file: this.#file });
    if (why) return notify(why);
    this.painter.overlay = null;
    this.toolName = name;
    if (FRAME_TOOLS.includes(name)) {
      this.#player.video.pause();
      this.painter.tool = this.tools.make(name);
    } else if (name === "line") this.painter.tool = lineTool(this.#counters, stage, imageSize, done);
    else if (name === "zone") this.painter.tool = new ZoneTool(this.#counters, stage, imageSize, done);
    else this.painter.tool = this.#selectTool();
    this.page.showTool(name);
    this.showHint();
    stage.invalidate();
  }

  /** Say what the tool is about to do. */
  showHint() {
    const isOfFrame = FRAME_TOOLS.includes(this.toolName);
    showHint(isOfFrame ? this.tools.hint(this.toolName) : (HINTS[this.toolName] ?? ""));
  }

  async toggle() {
    await this.settled; // an answer belongs to the frame that was asked about
    this.#player?.toggle();
  }

  async step(frames) {
    await this.settled;
    this.#player?.step(frames, this.findings);
  }

  /** Cut the selected track here: from this frame on it is another object. */
  cut() {
    const [track] = this.free;
    if (!track) return;
    const id = this.findings.cut(track.id, this.painter.frame);
    if (id) announce(`From here on it is ${track.class} ${id}.`);
    else notify(`${track.class} ${track.id} is not seen before this frame; there is nothing to cut.`);
  }

  /** Follow the selected tracks anew: their masks in this frame are propagated through all that comes after it. */
  async follow() {
    await this.settled;
    const { frame } = this.painter;
    const objects = this.free.map(({ id }) => ({ id, rle: this.findings.sighting(id, frame)?.rle })).filter(({ rle }) => rle);
    if (this.#job || !this.#document) return;
    if (!this.#file) return notify("The video was too large to be kept; open it again to follow tracks.");
    if (!objects.length) return notify("Select a track that is seen in this frame.");
    this.#job = new VideoJob(this.#file, { save: ["tracks"], masks: [{ frame, objects }] });
    const tracks = await followed(this.#job, this.#ended.signal).catch((error) => {
      if (error.name !== "AbortError") notify(error.message, { kind: "error", action: { label: "Try again", run: () => this.follow() } });
    });
    this.#job = null;
    if (this.#ended.signal.aborted) return;
    endBusy();
    if (!tracks) return;
    this.findings.continueFrom(frame, new Map(tracks.items.map((track) => [track.id, track])));
    announce(`${counted(objects.length, "track")} followed from frame ${frame} on. Undo brings back what was.`);
  }

  /** Where a track is in this frame, in pixels of the image; null where it is not. */
  boxOf(track) {
    const box = track && this.findings.sighting(track.id, this.painter.frame)?.box;
    return box ? this.painter.shownBox(box) : null;
  }

  #show(imageSize) {
    const { stage, look } = this.page;
    this.painter = new VideoPainter(this.#player.video, imageSize, look, this.#counters);
    stage.show(imageSize, this.painter);
    stage.canvas.setAttribute("aria-label", this.#name);
    showDownloads([], "");
    this.chooseTool("select");
  }

  #selectTool() {
    return {
      canDrag: false,
      keepsArrows: true, // they go from frame to frame
      hover: (x, y) => this.findings?.hover(this.painter.hit(x, y)),
      leave: () => this.findings?.hover(0),
      tap: (x, y, { adds }) => this.findings?.select(this.painter.hit(x, y), { add: adds }),
    };
  }

  async #start() {
    if (this.#job) return;
    const counts = this.page.choices.task === "instances";
    this.#job = new VideoJob(this.#file, {
      ...this.#prepare.asked,
      lines: counts ? this.#counters.texts("line") : [],
      zones: counts ? this.#counters.texts("zone") : [],
      drawnOn: this.painter.imageSize,
    });
    find("#start").disabled = true;
    find("#prepare").open = false; // the room is for what is found
    try {
      const job = await this.#watch(this.#job);
      if (job.status === "failed") throw new Error(job.error ?? "The server could not finish the video.");
      if (job.status === "done") await this.#finish(job);
    } catch (error) {
      const action = { label: "Try again", run: () => this.#start() };
      find("#prepare").open = true;
      if (error.name !== "AbortError") notify(error.message, { kind: "error", action });
    } finally {
      this.#job = null;
      find("#start").disabled = false;
      if (!this.#ended.signal.aborted) endBusy();
    }
  }

  #watch(job) {
    startBusy("Sending the video …", () => job.cancel());
    let begun = null;
    let zero = 0;
    return job.run({
      onUpload: (sent) => showProgress("Sending the video …", sent),
      onProgress: showJobProgress,
      onFrames: (frames) => {
        if (!begun) {
          // what this browser cannot play is shown as the server's overlay, which begins at 0
          if (!this.#player.video.videoWidth) zero = frames[0].time;
          begun = new Tracks({ size: frames[0].size, minScore: ALL_SCORES });
          this.#showTracks(begun);
        }
        begun.append(frames.map((frame) => ({ ...frame, time: frame.time - zero })));
        this.#showFrame(this.#player.time);
      },
      signal: this.#ended.signal,
    });
  }

  async #finish(job) {
    this.#wasCorrected = false;
    job.warnings.forEach((warning) => notify(warning));
    const file = job.results.find(({ name }) => name.endsWith(".tracks.json"));
    const tracks = file ? JSON.parse(await (await calls.fetchResult(file.href)).text()) : null;
    await this.#showResult({ tracks, job });
    await this.#keep(this.#file);
  }

  async #showResult({ tracks, job }) {
    this.#ran = null; // no files until the tracks are shown
    this.#document = tracks;
    const overlay = job.results.find(({ name }) => name.includes(".overlay."));
    const needsOverlay = !tracks || !this.#player.video.videoWidth;
    if (needsOverlay && overlay) {
      await openSession();
      await this.#player.load(overlay.href);
      this.#show(this.#player.size);
      this.painter.hasMasksDrawn = true;
    }
    const plays = needsOverlay ? "overlay" : "source";
    if (tracks) this.#showTracks(tracksOf(tracks, { plays, minScore: ALL_SCORES }));
    const names = tally((this.findings?.shown ?? []).map((item) => item.class));
    announce(names ? `Followed: ${names}` : "The video is done.");
    this.#prepare.offer("Another run", "Run again", false);
    this.#ran = job;
    this.#files.show(this.#ran);
    this.page.stage.invalidate();
  }

  #showTracks(tracks) {
    const { stage, list, filters, timeline } = this.page;
    this.findings = tracks;
    this.painter.follow(tracks);
    this.#counters.follow(tracks, this.painter.imageSize);
    for (const event of ["items", "filter", "selection", "hover"]) {
      tracks.addEventListener(event, () => stage.invalidate());
    }
    for (const event of ["items", "filter"]) tracks.addEventListener(event, () => this.#countAnew());
    tracks.addEventListener("items", () => {
      this.#keepSoon();
      if (this.#ran && !this.#job) this.#files.show(this.#ran); // what they hold, and how large they are
    });
    tracks.addEventListener("selection", () => this.#seekSelected());
    for (const event of ["items", "selection", "filter"]) tracks.addEventListener(event, () => this.#update());
    this.tools = new FrameTools(tracks, this.painter, stage, { refiner: () => this.page.choices.refiner, onBusy: () => this.#wait() });
    if (FRAME_TOOLS.includes(this.toolName)) this.chooseTool("select"); // what it held are other tracks now
    filters.bind(tracks);
    offerPresets(tracks);
    list.bind(tracks, {
      colorOf: this.painter.colorOf,
      hasNumbers: true,
      describe: ({ score, count }) => [score?.toFixed(2) ?? "by hand", `${count} of ${tracks.times.length} frames`],
      onRename: (ids, name) => this.name(ids, name),
    });
    const durationOf = () => this.#player.duration || tracks.end || 1;
    const onChoose = (track) => tracks.select(track.id);
    timeline.bind(tracks, { durationOf, colorOf: this.painter.colorOf, onChoose });
    this.#showFrame(this.#player.time);
    this.#update();
  }

  #update() {
    const { selected, canUndo, canRedo } = this.findings;
    find("#rename").disabled = find("#delete").disabled = !selected.length;
    find("#merge").disabled = selected.length < 2;
    find("#cut").disabled = selected.length !== 1;
    find("#follow").disabled = !selected.length || !this.#document;
    find("#undo").disabled = !canUndo;
    find("#redo").disabled = !canRedo;
    this.showHint();
  }

  #wait() {
    if (this.#ended.signal.aborted) return;
    find("#stage").classList.toggle("stage--waiting", this.isSettling);
    this.showHint();
  }

  /** Go to where the one selected track is seen, unless it is in sight. */
  #seekSelected() {
    const [track, ...more] = this.findings.selected;
    if (!track || more.length || this.findings.sighting(track.id, this.painter.frame)) return;
    this.#player.seek(this.findings.timeOf(track.first));
  }

  #countAnew() {
    if (this.painter) this.#counters.show(this.painter.frame);
    this.page.stage.invalidate();
  }

  #saveCounts() {
    const table = countsTable(this.#counters, this.findings);
    saveBlob(new Blob([table], { type: "text/csv" }), `${this.#name.replace(/\.[^.]*$/, "")}.counts.csv`);
  }

  get #isCorrected() {
    return Boolean(this.#document && (this.findings?.canUndo || this.#wasCorrected));
  }

  #showFrame(time) {
    const { frame } = this.painter ?? {};
    if (this.findings) this.painter.show(this.#frameAt(time));
    if (FRAME_TOOLS.includes(this.toolName) && frame !== this.painter.frame) {
      this.painter.tool.leave?.(); // what it showed was of the other frame
      this.showHint();
    }
    this.#counters.show(this.painter?.frame ?? 0);
    this.page.timeline.show(this.#player.time);
    this.page.stage.paintNow(); // now, while the player shows this very frame
  }

  /** The frame at `time`; -1 where a running job has not yet been. */
  #frameAt(time) {
    const last = this.findings.times.at(-1) ?? -1;
    return this.#job && time > last + BEHIND ? -1 : this.findings.frameAt(time);
  }

  #keepSoon() {
    if (!this.#ran || this.#job) return;
    clearTimeout(this.#saving);
    this.#saving = setTimeout(() => this.#keep(), SAVED_AFTER);
  }

  async #keep(file = null) {
    clearTimeout(this.#saving);
    this.#saving = 0;
    const { size } = this.#player;
    const tracks = this.#document && documentOf(this.findings, this.#document);
    const entry = {
      id: this.#id,
      kind: "video",
      name: this.#name,
      when: Date.now(),
      words: tracks ? counted(this.findings.shown.length, "object") : "video",
      thumbnail: size.width ? await thumbnailOf(this.#player.video, size) : null,
      result: { tracks, job: this.#ran, counters: this.#counters.all, isCorrected: this.#isCorrected },
    };
    await keep(entry, file);
  }
}
