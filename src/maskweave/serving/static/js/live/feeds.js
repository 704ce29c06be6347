// Where a browser's frames come from: a camera of this device, or a video file that plays.

import { sayWhy } from "../page/camera.js";
import { openMicrophone, soundOf } from "./sound.js";

const NO_CAMERA = "The browser lets pages use a camera only over https, or on this machine itself.";

/** Open a camera; `wish` {deviceId, width, height}. Throws an Error that says what is wrong. */
export async function openCamera({ deviceId = "", width, height }) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error(NO_CAMERA);
  const size = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30 } };
  const video = deviceId ? { ...size, deviceId: { exact: deviceId } } : size;
  const stream = await navigator.mediaDevices.getUserMedia({ video }).catch((error) => {
    throw new Error(sayWhy(error));
  });
  const [track] = stream.getVideoTracks();
  const feed = new Feed(() => stream.getTracks().forEach((each) => each.stop()));
  feed.deviceId = track.getSettings().deviceId ?? "";
  track.addEventListener("ended", () => feed.onEnd?.("The camera was switched off or unplugged."));
  feed.video.srcObject = stream;
  await feed.begin("The camera gives no picture; another program may use it.");
  return feed;
}

/** Play a video file, over and over. Throws an Error where the browser cannot play it. */
export async function openFile(file) {
  const address = URL.createObjectURL(file);
  const feed = new Feed(() => URL.revokeObjectURL(address));
  feed.openSound = () => soundOf(feed.video);
  feed.video.loop = true;
  feed.video.src = address;
  await feed.begin(`This browser cannot play “${file.name}”.`);
  return feed;
}

/** [{id, name}] of this device's cameras; names are known once one was allowed. */
export async function cameras() {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
  const found = devices.filter((device) => device.kind === "videoinput");
  return found.map(({ deviceId, label }, index) => ({ id: deviceId, name: label || `Camera ${index + 1}` }));
}

/** A video that gives frames. `onFrame(taken)` is called for each, with the time (performance.now) it was taken at. */
class Feed {
  video = document.createElement("video");
  deviceId = "";
  onFrame = null;
  onEnd = null; // (sentence)
  openSound = openMicrophone; // a promise of a stream

  #release;
  #isClosed = false;

  constructor(release) {
    this.#release = release;
    this.video.muted = true;
    this.video.playsInline = true;
  }

  get size() {
    return { width: this.video.videoWidth, height: this.video.videoHeight };
  }

  /** Play; throws an Error with `words` where no picture comes. */
  async begin(words) {
    const failure = new Promise((_, reject) => {
      this.video.addEventListener("error", () => reject(new Error(words)), { once: true });
      setTimeout(() => reject(new Error(words)), 15_000);
    });
    const shown = new Promise((resolve) => this.#next(resolve));
    try {
      await Promise.race([Promise.all([this.video.play(), shown]), failure]);
    } catch {
      this.close();
      throw new Error(words);
    }
    failure.catch(() => {});
    this.#watch();
  }

  pause() {
    this.video.pause();
  }

  play() {
    this.video.play().catch(() => {});
  }

  close() {
    this.#isClosed = true;
    this.video.pause();
    this.video.srcObject = null;
    this.video.removeAttribute("src");
    this.#release();
  }

  #watch() {
    this.#next((taken) => {
      if (this.#isClosed) return;
      this.onFrame?.(taken);
      this.#watch();
    });
  }

  #next(run) {
    if (this.video.requestVideoFrameCallback) {
      this.video.requestVideoFrameCallback((now, { captureTime }) => run(captureTime ?? now));
    } else {
      this.video.addEventListener("timeupdate", () => run(performance.now()), { once: true });
    }
  }
}
