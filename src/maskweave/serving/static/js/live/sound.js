// The sound of a recording: that of the file that is shown, or of this device's microphone.

import { sayWhy } from "../page/camera.js";

const LONGEST_DELAY = 5; // seconds

/** This device's microphone, as a stream; asks for permission. Throws an Error that says what is wrong. */
export async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("The browser lets pages use a microphone only over https, or on this machine itself.");
  return navigator.mediaDevices.getUserMedia({ audio: true }).catch((error) => {
    throw new Error(sayWhy(error, "microphone"));
  });
}

/** The sound of a video that plays, as a stream; throws an Error where it has none. */
export async function soundOf(video) {
  const played = video.captureStream?.() ?? video.mozCaptureStream?.();
  if (!played) throw new Error("This browser cannot record the sound of a file.");
  const tracks = played.getAudioTracks();
  if (!tracks.length) throw new Error("The file has no sound.");
  return new MediaStream(tracks);
}

/** A stream's sound, as late as the image that is shown with it. */
export class Sound {
  #context = new AudioContext();
  #delay = new DelayNode(this.#context, { maxDelayTime: LONGEST_DELAY });
  #out = new MediaStreamAudioDestinationNode(this.#context);
  #stream;

  constructor(stream) {
    this.#stream = stream;
    this.#context.createMediaStreamSource(stream).connect(this.#delay).connect(this.#out);
  }

  get tracks() {
    return this.#out.stream.getAudioTracks();
  }

  /** Milliseconds by which the image is late; null where nobody knows. */
  set behind(milliseconds) {
    this.#delay.delayTime.value = Math.min(LONGEST_DELAY, (milliseconds ?? 0) / 1000);
  }

  close() {
    for (const track of this.#stream.getTracks()) track.stop();
    this.#context.close();
  }
}
