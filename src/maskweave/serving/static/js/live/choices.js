// The panels beside a live video: where it comes from, and what becomes of it.

import { find, make } from "../dom.js";
import { requestJson } from "../server/request.js";
import { cameras } from "./feeds.js";

const ADDRESS = "address";
const FILE = "file";

/** Where frames come from: {kind: "camera", id} | {kind: "file", file} | {kind: "server", number} | {kind: "address", text}. */
export class SourceChoice {
  #select = find("#live-source");
  #onChoose;
  #onShow;
  #chosen;
  #sources = [];
  #allowsStreams = false;

  /** `onChoose(source)` is called when the user chooses another one, `onShow()` when the list says so; `chosen` is the first. */
  constructor(chosen, { onChoose, onShow, signal }) {
    this.#chosen = chosen;
    this.#onChoose = onChoose;
    this.#onShow = onShow;
    const on = (selector, name, run) => find(selector).addEventListener(name, run, { signal });
    on("#live-source", "change", () => this.#chosenInList());
    on("#live-address-form", "submit", (event) => {
      event.preventDefault();
      const text = find("#live-address").value.trim();
      if (text) this.#choose({ kind: ADDRESS, text });
    });
    on("#live-file", "change", ({ target }) => {
      const [file] = target.files;
      target.value = "";
      if (file) this.#choose({ kind: FILE, file });
    });
    on("#live-file", "cancel", () => this.show());
    find("#live-address-form").hidden = chosen.kind !== ADDRESS;
    this.learn();
  }

  get chosen() {
    return this.#chosen;
  }

  /** Ask the server what it can show; who cannot be asked has nothing. */
  async learn() {
    const answer = await requestJson("GET", "v1/live/sources").catch(() => ({ sources: [], streams: false }));
    this.#sources = answer.sources;
    this.#allowsStreams = answer.streams;
    await this.show();
  }

  /** List what there is; names of cameras are known once one was allowed. */
  async show(used = "") {
    const own = await cameras();
    const rows = own.map(({ id, name }, place) => option(`camera:${id}`, name, this.#isCamera(id, used, place)));
    if (!own.length) rows.push(option("camera:", "This device’s camera", this.#chosen.kind === "camera"));
    this.#sources.forEach((name, number) =>
      rows.push(option(`server:${number}`, `Server: ${name}`, this.#chosen.kind === "server" && this.#chosen.number === number)),
    );
    if (this.#allowsStreams) rows.push(option(ADDRESS, "An address …", this.#chosen.kind === ADDRESS));
    const file = this.#chosen.kind === FILE ? `File: ${this.#chosen.file.name}` : "A video file …";
    rows.push(option(FILE, file, this.#chosen.kind === FILE));
    this.#select.replaceChildren(...rows);
    this.#onShow();
  }

  #isCamera(id, used, place) {
    if (this.#chosen.kind !== "camera") return false;
    return used ? id === used : this.#chosen.id ? id === this.#chosen.id : place === 0;
  }

  #chosenInList() {
    const [kind, rest = ""] = split(this.#select.value);
    find("#live-address-form").hidden = kind !== ADDRESS;
    if (kind === ADDRESS) find("#live-address").focus();
    else if (kind === FILE) find("#live-file").click();
    else if (kind === "server") this.#choose({ kind, number: Number(rest) });
    else this.#choose({ kind: "camera", id: rest });
  }

  #choose(source) {
    this.#chosen = source;
    this.#onChoose(source);
    this.show();
  }
}

/** Binds the panel of backgrounds to a scene. */
export class GroundChoice {
  #scene;
  #keep = find("#live-keep");

  constructor(scene, signal) {
    this.#scene = scene;
    const on = (selector, name, run) => find(selector).addEventListener(name, run, { signal });
    on("#live-ground", "change", ({ target }) => this.#choose(target.value));
    on("#live-colour", "input", ({ target }) => this.#change({ colour: target.value }));
    on("#live-picture", "change", ({ target }) => this.#load(target));
    on("#live-marks", "change", ({ target }) => scene.set({ hasMarks: target.checked }));
    on("#live-keep", "change", ({ target }) => scene.set({ keeps: target.value }));
    this.show();
  }

  /** Offer to keep people, all, or any other class of the model. */
  offer(classNames) {
    const people = classNames.includes("person") ? [option("person", "people")] : [];
    const others = classNames.filter((name) => !["person", "background"].includes(name));
    const rows = [...people, option("", "everything shown"), ...others.map((name) => option(name, name))];
    const was = this.#keep.value;
    this.#keep.replaceChildren(...rows);
    if ([...this.#keep.options].some(({ value }) => value === was) && this.#keep.dataset.isOffered) this.#keep.value = was;
    this.#keep.dataset.isOffered = "yes";
    this.#scene.set({ keeps: this.#keep.value });
  }

  show() {
    const { kind, colour } = this.#scene.ground;
    find("#live-ground").value = kind;
    find("#live-colour").value = colour;
    find("#live-colour").hidden = kind !== "colour";
    find("#live-pick").hidden = kind !== "picture";
    find("#live-keep-field").hidden = kind === "none";
    find("#live-marks").checked = this.#scene.hasMarks;
  }

  #choose(kind) {
    if (kind === "picture" && !this.#scene.ground.picture) find("#live-picture").click();
    this.#scene.set({ hasMarks: kind === "none" }); // a background is to be seen by others; marks come back by their box
    this.#change({ kind });
  }

  #change(changes) {
    this.#scene.set({ ground: { ...this.#scene.ground, ...changes } });
    this.show();
  }

  async #load(field) {
    const [file] = field.files;
    field.value = "";
    const picture = file && (await createImageBitmap(file).catch(() => null));
    find("#live-picture-refused").hidden = !file || Boolean(picture);
    if (picture) this.#change({ kind: "picture", picture });
  }
}

function option(value, text, selected = false) {
  return make("option", { value, text, selected });
}

/** "camera:abc" as ["camera", "abc"]. */
function split(value) {
  const at = value.indexOf(":");
  return at < 0 ? [value] : [value.slice(0, at), value.slice(at + 1)];
}
