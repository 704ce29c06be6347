// Playing a video: the element is never shown itself, the stage draws its frames.

import { find } from "../dom.js";
import { clock } from "../words.js";

const STEP = 1 / 25; // seconds, as long as nobody knows the frames' times

/** Binds a video to the page's player bar. `onFrame(time)` is called for each frame that can be drawn. */
export class Player {
  video = document.createElement("video");

  #onFrame;
  #address = null;
  #ended = new AbortController();

  constructor(onFrame) {
    this.#onFrame = onFrame;
    this.video.playsInline = true;
    this.video.preload = "auto";
    const { signal } = this.#ended;
    const on = (target, name, run) => target.addEventListener(name, run, { signal });
    on(find("#play"), "click", () => this.toggle());
    on(find("#seek"), "input", (event) => this.seek(Number(event.target.value)));
    for (const name of ["play", "pause", "ended"]) on(this.video, name, () => this.#showState());
    for (const name of ["durationchange", "timeupdate", "seeked"]) on(this.video, name, () => this.#showTime());
    if (this.video.requestVideoFrameCallback) this.#watchFrames();
    else on(this.video, "play", () => this.#watchClock());
    for (const name of ["loadeddata", "seeked"]) on(this.video, name, () => this.#onFrame(this.time));
  }

  get time() {
    return this.video.currentTime;
  }

  get duration() {
    return Number.isFinite(this.video.duration) ? this.video.duration : 0;
  }

  get size() {
    return { width: this.video.videoWidth, height: this.video.videoHeight };
  }

  /** Load a file or an address; a promise of whether the browser can play it. */
  load(source) {
    this.#release();
    this.#address = source instanceof Blob ? URL.createObjectURL(source) : null;
    this.video.src = this.#address ?? source;
    return new Promise((resolve) => {
      const once = { once: true, signal: this.#ended.signal };
      this.video.addEventListener("loadeddata", () => resolve(this.video.videoWidth > 0), once);
      this.video.addEventListener("error", () => resolve(false), once);
    });
  }

  toggle() {
    if (this.video.paused) this.video.play().catch(() => {});
    else this.video.pause();
  }

  seek(time) {
    this.video.currentTime = Math.min(Math.max(time, 0), this.duration);
  }

  /** Go `frames` further, or back; `tracks` knows the frames' times. */
  step(frames, tracks) {
    this.video.pause();
    if (tracks) this.seek(tracks.timeOf(tracks.frameAt(this.time) + frames));
    else this.seek(this.time + frames * STEP);
  }

  close() {
    this.#ended.abort();
    this.video.pause();
    this.#release();
  }

  #release() {
    this.video.removeAttribute("src");
    this.video.load();
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = null;
  }

  #watchFrames() {
    this.video.requestVideoFrameCallback((_, { mediaTime }) => {
      if (this.#ended.signal.aborted) return;
      this.#onFrame(mediaTime);
      find("#seek").value = String(this.time); // with the image, not four times a second as the events come
      this.#watchFrames();
    });
  }

  #watchClock() {
    if (this.video.paused || this.#ended.signal.aborted) return;
    this.#onFrame(this.time);
    requestAnimationFrame(() => this.#watchClock());
  }

  #showState() {
    const isPlaying = !this.video.paused && !this.video.ended;
    find("#play").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
    find("#play use").setAttribute("href", isPlaying ? "#icon-pause" : "#icon-play");
  }

  #showTime() {
    const seek = find("#seek");
    seek.max = String(this.duration || 1);
    seek.value = String(this.time);
    const text = `${clock(this.time)} / ${clock(this.duration)}`;
    seek.setAttribute("aria-valuetext", text);
    find("#time").textContent = text;
  }
}
