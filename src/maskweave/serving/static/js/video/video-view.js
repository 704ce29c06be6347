// A video: what is asked of the server, the player, the timeline and the lists, tied together.

import { find, make } from "../dom.js";
import { endBusy, sayBusy, startBusy } from "../page/busy.js";
import { trackColour } from "../page/colours.js";
import { showDownloads } from "../page/downloads.js";
import { keep, thumbnailOf } from "../page/history.js";
import { sayHint } from "../page/hint.js";
import { FORMAT_WORDS, formatOf, ownName, saveLink } from "../page/save.js";
import * as calls from "../server/calls.js";
import { openSession } from "../server/request.js";
import { Findings } from "../state/findings.js";
import { announce, tell } from "../tell.js";
import { bytes, clock, counted, tally } from "../words.js";
import { Counters, lineTool, ZoneTool } from "./counters.js";
import { Player } from "./player.js";
import { Timeline } from "./timeline.js";
import { Tracks } from "./tracks.js";
import { VideoPainter } from "./video-painter.js";

const LEAST_SCORE = 0.35;
const ASKED = { instances: ["overlay", "tracks", "csv"], semantic: ["overlay"], foreground: ["overlay", "foreground"] };
const NOT_FOR = {
  instances: ["foreground"],
  semantic: ["coco", "tracks", "mots", "csv", "cutout", "davis", "foreground"],
  foreground: ["coco", "tracks", "mots", "csv"],
};
const HINTS = {
  line: "Drag a line, or click at both ends.",
  zone: "Click at the corners; click at the first one again to close the zone.",
};

/** One video. `page` has what all views share; the counters belong to the video. */
export class VideoView {
  kind = "video";
  findings = null;

  #page;
  #file;
  #name;
  #id;
  #player = null;
  #painter = null;
  #counters = null;
  #timeline = null;
  #tracks = null;
  #job = null;
  #ended = new AbortController();

  constructor(page, file, { id = crypto.randomUUID?.() ?? String(Date.now()), name = file?.name } = {}) {
    this.#page = page;
    this.#file = file;
    this.#name = name || "video";
    this.#id = id;
  }

  /** Show the video so that it can be prepared, or with `result` from an earlier time. */
  async open(result = null) {
    this.#player = new Player((time) => this.#showFrame(time));
    this.#counters = new Counters(() => this.#page.stage.invalidate(), result?.counters ?? []);
    const plays = this.#file ? await this.#player.load(this.#file) : false;
    if (this.#ended.signal.aborted) return;
    this.#show(plays ? this.#player.size : { width: 1280, height: 720 });
    if (!plays && this.#file) tell("This browser cannot play the file; the result can be played when it is done.");
    this.#fillFormats();
    find("#start").addEventListener("click", () => this.#start(), { signal: this.#ended.signal });
    find("#task").addEventListener("change", () => this.#fillFormats(), { signal: this.#ended.signal });
    this.#offerRun("Before it starts", "Find and follow objects", true);
    find("#about-run").textContent = this.#file ? `${this.#name} · ${bytes(this.#file.size)}` : this.#name;
    if (result) await this.#showResult(result);
  }

  close() {
    this.#ended.abort();
    this.#cancelJob();
    this.#player?.close();
    find("#timeline").hidden = true;
    find("#timeline").replaceChildren();
    endBusy();
  }

  chooseTool(name) {
    const { stage } = this.#page;
    if (!this.#painter || !["select", "line", "zone"].includes(name)) return;
    const { picture } = this.#painter;
    if (name === "line") this.#painter.tool = lineTool(this.#counters, stage, picture);
    else if (name === "zone") this.#painter.tool = new ZoneTool(this.#counters, stage, picture);
    else this.#painter.tool = this.#selectTool();
    this.#page.showTool(name);
    sayHint(HINTS[name] ?? "");
    stage.invalidate();
  }

  toggle() {
    this.#player?.toggle();
  }

  step(frames) {
    this.#player?.step(frames, this.#tracks);
  }

  escape() {
    if (this.#painter?.tool?.drop?.()) return;
    if (this.findings?.selected.length) this.findings.selectAll([]);
    else this.chooseTool("select");
  }

  #show(picture) {
    const { stage, look } = this.#page;
    this.#painter = new VideoPainter(this.#player.video, picture, look, this.#counters);
    stage.show(picture, this.#painter);
    stage.canvas.setAttribute("aria-label", this.#name);
    showDownloads([], "");
    this.chooseTool("select");
  }

  #selectTool() {
    return {
      canDrag: false,
      keepsArrows: true, // they go from frame to frame
      hover: (x, y) => this.findings?.hover(this.#painter.hit(x, y)),
      leave: () => this.findings?.hover(0),
      tap: (x, y, { adds }) => this.findings?.select(this.#painter.hit(x, y), { add: adds }),
    };
  }

  #fillFormats() {
    const { task } = this.#page.choices;
    const names = (this.#page.formats.video ?? []).filter((name) => !NOT_FOR[task].includes(name));
    const boxes = names.map((name) => {
      const isNeeded = name === "tracks" || name === "overlay"; // what this page itself shows
      const box = make("input", { type: "checkbox", name: "save", value: name, disabled: isNeeded });
      box.checked = ASKED[task].includes(name);
      return make("label", {}, box, make("span", { text: name }), make("small", { text: FORMAT_WORDS[name] ?? "" }));
    });
    find("#video-formats").replaceChildren(make("legend", { text: "Make these files" }), ...boxes);
  }

  #offerRun(title, button, isOpen) {
    find("#prepare-title").textContent = title;
    find("#start").textContent = button;
    find("#prepare").open = isOpen;
  }

  async #start() {
    const { task, model } = this.#page.choices;
    const save = [...document.querySelectorAll("input[name=save]:checked")].map((box) => box.value);
    const asked = {
      task,
      model,
      save,
      every: find("#every").value,
      lines: task === "instances" ? this.#counters.texts("line") : [],
      zones: task === "instances" ? this.#counters.texts("zone") : [],
    };
    find("#start").disabled = true;
    try {
      const job = await this.#run(asked);
      if (job.status === "failed") throw new Error(job.error ?? "The server could not finish the video.");
      if (job.status === "done") await this.#finish(job);
    } catch (error) {
      if (error.name !== "AbortError") tell(error.message, { kind: "error" });
    } finally {
      endBusy();
      find("#start").disabled = false;
    }
  }

  async #run(asked) {
    const { signal } = this.#ended;
    this.#cancelJob();
    const upload = new AbortController();
    signal.addEventListener("abort", () => upload.abort());
    startBusy("Sending the video …", () => (this.#job ? this.#cancelJob() : upload.abort()));
    const onUpload = (sent) => sayBusy("Sending the video …", sent);
    const job = await calls.startVideo(this.#file, { ...asked, onUpload, signal: upload.signal });
    this.#job = job.id;
    const ended = await calls.followJob(job.id, sayProgress, signal);
    this.#job = null;
    return ended;
  }

  #cancelJob() {
    if (this.#job) calls.removeJob(this.#job).catch(() => {});
    this.#job = null;
  }

  async #finish(job) {
    job.warnings.forEach((warning) => tell(warning));
    const tracksFile = job.results.find(({ name }) => name.endsWith(".tracks.json"));
    const tracks = tracksFile ? JSON.parse(await (await calls.fetchResult(tracksFile.href)).text()) : null;
    const result = { tracks, job, counters: this.#counters.all };
    await this.#showResult(result);
    await this.#keep(result);
  }

  async #showResult({ tracks, job }) {
    const overlay = job.results.find(({ name }) => name.includes(".overlay."));
    const needsOverlay = !tracks || !this.#player.video.videoWidth;
    if (needsOverlay && overlay) {
      await openSession();
      await this.#player.load(overlay.href);
      this.#show(this.#player.size);
      this.#painter.hasMasksDrawn = true;
    }
    if (tracks) this.#showTracks(new Tracks(tracks));
    this.#offerRun("Another run", "Run again", false);
    showDownloads(job.results.map((each) => this.#fileRow(job, each)), "The files of this run.");
    this.#page.stage.invalidate();
  }

  #showTracks(tracks) {
    const { stage, list, filters } = this.#page;
    this.#tracks = tracks;
    this.findings = new Findings(tracks.items, LEAST_SCORE);
    this.#painter.follow(tracks, this.findings);
    for (const event of ["items", "filter", "selection", "hover"]) {
      this.findings.addEventListener(event, () => stage.invalidate());
    }
    filters.bind(this.findings);
    const length = tracks.times.length;
    list.bind(this.findings, {
      colourOf: trackColour,
      describe: ({ score, count }) => [score.toFixed(2), `${count} of ${length} frames`],
    });
    const duration = this.#player.duration || tracks.times.at(-1) || 1;
    this.#timeline = new Timeline(this.findings, { duration, onChoose: (item) => this.#follow(item) });
    this.#showFrame(this.#player.time);
    const names = tally(this.findings.shown.map((item) => item.class));
    announce(names ? `Followed: ${names}` : "No object was found.");
  }

  /** Show one track alone, or all again; go to where it is seen. */
  #follow(item) {
    this.findings.select(item.id);
    const isSeen = this.#tracks.sighting(item.id, this.#painter.frame) !== null;
    if (this.findings.isSelected(item.id) && !isSeen) this.#player.seek(this.#tracks.timeOf(item.first));
  }

  #fileRow(job, { name: given, media_type: kind, bytes: size, href }) {
    const name = ownName(given, this.#name);
    const fetch = async () => {
      await calls.fetchJob(job.id); // the server forgets files after a while; this says so
      await openSession();
      saveLink(href, name);
    };
    return { name, words: FORMAT_WORDS[formatOf(given)] ?? kind, size: bytes(size), fetch };
  }

  #showFrame(time) {
    if (this.#tracks) this.#painter.show(this.#tracks.frameAt(time));
    if (this.#tracks) this.#counters.show(this.#tracks, this.#painter.frame);
    this.#timeline?.show(time);
    this.#page.stage.paintNow(); // now, while the player shows this very frame
  }

  async #keep(result) {
    const { size } = this.#player;
    const entry = {
      id: this.#id,
      kind: "video",
      name: this.#name,
      when: Date.now(),
      words: result.tracks ? counted(this.findings.shown.length, "object") : "video",
      thumbnail: size.width ? await thumbnailOf(this.#player.video, size) : null,
      result,
    };
    await keep(entry, this.#file);
  }
}

function sayProgress({ status, frames, frames_total: total, seconds }) {
  if (status === "queued") return sayBusy("Waiting for its turn …");
  if (!total) return sayBusy(`Frame ${frames} …`);
  const wait = frames > 5 ? ` · about ${clock(seconds * (total / frames - 1))} left` : "";
  return sayBusy(`Frame ${frames} of ${total}${wait}`, Math.min(1, frames / total));
}
