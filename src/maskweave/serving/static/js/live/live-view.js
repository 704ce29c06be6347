// A live video: its source, the connection, the painter and the controls, tied together.

import { find } from "../dom.js";
import { sayHint } from "../page/hint.js";
import { announce, tell } from "../tell.js";
import { clock, tally } from "../words.js";
import { lineTool, ZoneTool } from "../video/counters.js";
import { BrowserSource } from "./browser-source.js";
import { GroundChoice, SourceChoice } from "./choices.js";
import { LiveConnection } from "./connection.js";
import { CountsPanel } from "./counts-panel.js";
import { openCamera, openFile } from "./feeds.js";
import { LiveCounters, placeOf } from "./live-counters.js";
import { LivePainter } from "./live-painter.js";
import { Pace } from "./pace.js";
import { PausedView } from "./paused-view.js";
import { canRecord, Recorder } from "./recorder.js";
import { Scene } from "./scene.js";
import { Sound } from "./sound.js";
import { ServerSource } from "./server-source.js";

const BETWEEN_WORDS = 400; // milliseconds between two looks at pace and counts: words that change faster are not read
const HINTS = {
  line: "Drag a line, or click at both ends.",
  zone: "Click at the corners; click at the first one again to close the zone.",
};

/** One live video. `page` has what all views share. `asked`: {source, words}, what an address of the page asks for. */
export class LiveView {
  kind = "live";
  findings = null;
  pace = new Pace();

  #page;
  #words;
  #scene = new Scene();
  #painter;
  #counters;
  #panel = new CountsPanel(this.#scene);
  #choice;
  #ground;
  #connection = null;
  #source = null; // a BrowserSource or a ServerSource
  #recorder = null;
  #isAsking = false; // for the sound of a recording
  #paused = null; // the frame that stands still, as a view
  #isLost = false; // the connection ended during a pause
  #ready = null;
  #run = 0; // which start is the newest
  #refused = ""; // what was last said of a frame that the server does not take
  #ticking = 0;
  #ended = new AbortController();

  constructor(page, { source = { kind: "camera", id: "" }, words = {} } = {}) {
    this.#page = page;
    this.#words = { ...words };
    const { signal } = this.#ended;
    this.#counters = new LiveCounters(() => this.#countAnew());
    this.#painter = new LivePainter(this.#scene, page.look, this.#counters);
    this.#scene.addEventListener("change", () => this.#sceneChanged(), { signal });
    this.#ground = new GroundChoice(this.#scene, signal);
    this.#choice = new SourceChoice(source, { onChoose: () => this.#start(), onShow: () => this.#sayWhatItIs(), signal });
    const on = (selector, name, run) => find(selector).addEventListener(name, run, { signal });
    on("#live-pause", "click", () => this.toggle());
    on("#live-record", "click", () => this.recordOrSave());
    for (const selector of ["#live-size", "#live-score"]) on(selector, "change", () => this.#start());
    find("#live-score").value = words.score && hasOption("#live-score", words.score) ? words.score : "";
  }

  /** Whether leaving would lose something. */
  get isWorking() {
    return this.#recorder !== null;
  }

  leavingWords = ["The recording is not saved", "Leaving ends it, and nothing of it is kept. End the recording first to save it."];

  async open() {
    find("#live-bar").hidden = false;
    find("#live-record").hidden = !canRecord;
    this.#ticking = setInterval(() => this.#tick(), BETWEEN_WORDS);
    this.#page.stage.show(this.#painter.picture, this.#painter);
    this.chooseTool("select");
    await this.#start();
  }

  close() {
    this.#ended.abort();
    clearInterval(this.#ticking);
    this.#stop();
    this.#recorder?.drop();
    this.#recorder = null;
    this.#painter.close();
    find("#live-bar").hidden = true;
    sayHint("");
  }

  /** Another task or model was chosen. */
  choose() {
    return this.#start();
  }

  chooseTool(name) {
    if (!["select", "line", "zone"].includes(name)) return;
    const { stage } = this.#page;
    const { picture } = this.#painter;
    const done = () => this.chooseTool("select");
    if (name === "line") this.#painter.tool = lineTool(this.#counters, stage, picture, done);
    else if (name === "zone") this.#painter.tool = new ZoneTool(this.#counters, stage, picture, done);
    else this.#painter.tool = { canDrag: false };
    this.#page.showTool(name);
    sayHint(HINTS[name] ?? "");
    stage.invalidate();
  }

  escape() {
    if (!this.#painter.tool?.drop?.()) this.chooseTool("select");
  }

  /** Stand still, or go on. */
  toggle() {
    return this.#paused ? this.resume() : this.pause();
  }

  /** Stand still on the newest frame: what is found there can be pointed at and corrected. */
  async pause() {
    const { frame } = this.#painter;
    if (!frame || this.#paused) return;
    this.#source?.pause();
    this.#recorder?.pause();
    const now = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
    const { bitmap, answer } = frame;
    const { model, task, default_score: score, class_names: names } = this.#ready;
    const result = { model, task, size: answer.size, seconds: null, default_score: score, class_names: names, objects: this.#painter.shown };
    this.#paused = "soon"; // what comes meanwhile is not shown
    const file = await fileOf(bitmap, answer.size, `live ${now}.jpg`);
    if (this.#ended.signal.aborted) return;
    this.#paused = new PausedView(this.#page, file, this, { name: file.name, find: async () => result });
    this.#page.swap(this.#paused);
    this.#showState();
    await this.#paused.open();
    announce("Paused. Point and correct, or press Space to go on.");
  }

  async resume() {
    if (!(this.#paused instanceof PausedView)) return;
    this.#paused.putAway();
    this.#paused = null;
    const { stage } = this.#page;
    this.#page.swap(this);
    stage.show(this.#painter.picture, this.#painter);
    this.chooseTool("select");
    this.pace.clear();
    this.#showState();
    this.#sayWhatItIs();
    if (this.#isLost) await this.#start();
    else this.#source?.resume();
    this.#recorder?.resume();
  }

  /** Begin to record, or end it and save the file. */
  async recordOrSave() {
    if (this.#recorder) return this.#saveRecording();
    if (this.#isAsking) return undefined;
    if (!this.#painter.frame) return tell("There is nothing to record yet.");
    const sound = await this.#openSound();
    if (this.#ended.signal.aborted) return sound?.close();
    this.#recorder = new Recorder(this.#painter, sound);
    if (this.#paused) this.#recorder.pause();
    announce("Recording.");
    return this.#showState();
  }

  /** The sound of a recording; null where none is wanted, or where there is none, which is said. */
  async #openSound() {
    if (!find("#live-sound").checked || !this.#source?.openSound) return null;
    this.#isAsking = true;
    try {
      return new Sound(await this.#source.openSound());
    } catch (error) {
      tell(`${error.message} The recording is without sound.`, { kind: "error" });
      return null;
    } finally {
      this.#isAsking = false;
    }
  }

  async #saveRecording() {
    const recorder = this.#recorder;
    this.#recorder = null;
    this.#showState();
    await recorder.save("live");
    announce("The recording is saved.");
  }

  /** Begin with what is chosen, from the beginning. */
  async #start() {
    this.#stop();
    const run = this.#run;
    const isNewest = () => run === this.#run && !this.#ended.signal.aborted;
    this.#isLost = false;
    this.#refused = "";
    const { chosen } = this.#choice;
    let feed = null;
    try {
      feed = await this.#feed(chosen);
    } catch (error) {
      if (isNewest()) this.#fail(error.message);
      return;
    }
    if (!isNewest()) return feed?.close();
    const connection = new LiveConnection({
      onReady: (ready) => isNewest() && this.#begin(ready),
      onAnswer: (answer, jpeg) => isNewest() && this.#take(answer, jpeg),
      onWarning: (text) => tell(text),
      onEnd: (text, isProblem) => isNewest() && this.#over(text, isProblem),
    });
    this.#connection = connection;
    const show = (frame) => (isNewest() ? this.#show(frame) : frame.bitmap.close());
    this.#source = feed ? new BrowserSource(feed, connection, show) : new ServerSource(connection, show);
    if (feed) feed.onEnd = (text) => isNewest() && this.#fail(text);
    if (chosen.kind === "camera") this.#choice.show(feed.deviceId);
    find("#live-sound-field").hidden = !feed || !canRecord; // what the server shows has none
    sayHint("Getting ready …");
    await connection.open(this.#asked(chosen));
    return undefined;
  }

  /** What gives the frames, where this browser has them; null where the server does. */
  #feed(chosen) {
    if (chosen.kind === "file") return openFile(chosen.file);
    if (chosen.kind !== "camera") return null;
    sayHint("Opening the camera …");
    const [width, height] = find("#live-size").value.split("x").map(Number);
    return openCamera({ deviceId: chosen.id, width, height });
  }

  #asked(chosen) {
    const { task, model } = this.#page.choices;
    const asked = { ...this.#words, task: this.#words.task ?? task, model, ...this.#drawn(task) };
    asked.score = Number(find("#live-score").value) || this.#words.score;
    if (chosen.kind === "server") asked.source = chosen.number;
    if (chosen.kind === "address") asked.address = chosen.text;
    return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== null && value !== undefined && value !== ""));
  }

  #drawn(task) {
    if (task !== "instances") return { line: undefined, zone: undefined };
    if (!this.#counters.all.length) return {}; // those of the page's address, if any
    return { line: this.#counters.texts("line"), zone: this.#counters.texts("zone"), drawn_on: this.#drawnOn };
  }

  get #drawnOn() {
    const { width, height } = this.#painter.picture;
    return this.#painter.frame ? `${width}x${height}` : undefined;
  }

  /** Draw the lines and zones that the page's address asks for, which are in pixels of the masks. */
  #placeAsked({ bitmap, answer: { size } }) {
    const [across, down] = [bitmap.width / size[1], bitmap.height / size[0]];
    for (const kind of ["line", "zone"]) {
      for (const text of this.#words[kind] ?? []) {
        const place = placeOf(kind, text);
        if (place) this.#counters.add(kind, place.points.map(([x, y]) => [x * across, y * down]), place.name);
      }
      delete this.#words[kind];
    }
  }

  #countAnew() {
    this.#counters?.take(null);
    this.#connection?.tell({ line: this.#counters.texts("line"), zone: this.#counters.texts("zone"), drawn_on: this.#drawnOn });
    this.#counters?.show(0);
    this.#page.stage.invalidate();
  }

  #begin(ready) {
    this.#ready = ready;
    this.#scene.classNames = ready.class_names;
    this.#ground.offer(ready.class_names);
    this.#connection.isReady = true;
    this.#sayWhatItIs();
    this.chooseTool("select");
    announce("Live.");
  }

  #sayWhatItIs() {
    if (this.#paused || this.#ended.signal.aborted) return; // another view is shown
    const { name = find("#live-source").selectedOptions[0]?.textContent ?? "", model } = this.#ready ?? {};
    find("#about-run").textContent = model ? `${name} · ${model}` : "";
  }

  #take(answer, jpeg) {
    if (answer.refused && answer.refused !== this.#refused) tell(answer.refused, { kind: "error" });
    this.#refused = answer.refused ?? "";
    this.#source.answer(answer, jpeg);
  }

  #show(frame) {
    if (this.#paused) return frame.bitmap.close();
    const before = this.#painter.picture;
    this.#counters.take(frame.answer.counts);
    this.#painter.show(frame);
    if (this.#words.line || this.#words.zone) this.#placeAsked(frame);
    const { stage } = this.#page;
    const { width, height } = this.#painter.picture;
    if (before.width !== width || before.height !== height) {
      stage.show(this.#painter.picture, this.#painter);
      this.chooseTool("select");
    }
    stage.paintNow(); // at once: the next frame of the screen has it
    requestAnimationFrame((now) => this.pace.add(frame.taken, Math.max(now, performance.now())));
    if (!this.#recorder) return undefined;
    if (!this.#recorder.fits) return this.#saveRecording();
    return this.#recorder.add(this.pace.behind);
  }

  #sceneChanged() {
    this.#panel.show(this.#painter.frame?.answer.objects ?? []);
    this.#ground.show();
    this.#page.stage.invalidate();
  }

  /** Say pace and counts. */
  #tick() {
    const words = this.#paused ? "Paused" : this.pace.words;
    const recorded = this.#recorder ? `Recording ${clock(this.#recorder.seconds)}` : "";
    const text = [recorded, words].filter(Boolean).join(" · ");
    if (find("#live-now").textContent !== text) find("#live-now").textContent = text;
    if (this.#paused) return;
    this.#panel.show(this.#painter.frame?.answer.objects ?? []);
    this.#counters.show(0);
    const names = tally(this.#painter.shown.map((object) => object.class)) || "no objects";
    this.#page.stage.canvas.setAttribute("aria-label", `Live: ${names}`);
  }

  #showState() {
    const isPaused = this.#paused !== null;
    const pause = find("#live-pause");
    pause.querySelector(".live-bar__word").textContent = isPaused ? "Go on" : "Pause";
    pause.querySelector("use").setAttribute("href", isPaused ? "#icon-play" : "#icon-pause");
    const record = find("#live-record");
    record.setAttribute("aria-pressed", String(this.#recorder !== null));
    record.querySelector(".live-bar__word").textContent = this.#recorder ? "End and save" : "Record";
    this.#tick();
  }

  /** The server has ended it. */
  #over(text, isProblem) {
    if (this.#paused) {
      this.#isLost = true; // it begins anew when it goes on
      return;
    }
    if (isProblem) this.#fail(text);
    else this.#end(text || "The live video is over.", "note");
  }

  #fail(text) {
    this.#end(text, "error");
  }

  /** Say why it is over; what was shown last stays. */
  #end(text, kind) {
    this.#stop();
    if (this.#recorder) this.#saveRecording();
    sayHint(text);
    tell(text, { kind, action: { label: "Begin again", run: () => this.#ended.signal.aborted || this.#start() } });
  }

  #stop() {
    this.#run += 1;
    this.#source?.close();
    this.#connection?.close();
    this.#source = this.#connection = null;
    this.pace.clear();
  }
}

/** A frame as a file, in the size of its masks. */
async function fileOf(bitmap, [height, width], name) {
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0, width, height);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
  return new File([blob], name, { type: blob.type });
}

function hasOption(selector, value) {
  return [...find(selector).options].some((each) => each.value === String(value));
}
