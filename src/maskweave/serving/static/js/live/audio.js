// The audio of a recording: that of the file that is shown, or of this device's microphone.

import { describeCameraError } from "../page/camera.js";

const MAX_DELAY = 5; // seconds

/** This device's microphone, as a stream; asks for permission. Throws an Error that says what is wrong. */
export async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("The browser lets pages use a microphone only over https, or on this machine itself.");
  return navigator.mediaDevices.getUserMedia({ audio: true }).catch((error) => {
    throw new Error(describeCameraError(error, "microphone"));
  });
}

/** The audio of a video that plays, as a stream; throws an Error where it has none. */
export async function audioOf(video) {
  const played = video.captureStream?.() ?? video.mozCaptureStream?.();
  if (!played) throw new Error("This browser cannot record the audio of a file.");
  const tracks = played.getAudioTracks();
  if (!tracks.length) throw new Error("The file has no audio.");
  return new MediaStream(tracks);
}

/** A stream's audio, as late as the image that is shown with it. */
export class DelayedAudio {
  #context = new AudioContext();
  #delay = new DelayNode(this.#context, { maxDelayTime: MAX_DELAY });
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
    this.#delay.delayTime.value = Math.min(MAX_DELAY, (milliseconds ?? 0) / 1000);
  }

  close() {
    for (const track of this.#stream.getTracks()) track.stop();
    this.#context.close();
  }
}
