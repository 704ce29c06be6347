// A photo from the camera.

import { find, make } from "../dom.js";
import { tell } from "../tell.js";

const dialog = find("#camera");
const picture = find("#camera-picture");
const choice = find("#camera-choice");
const take = find("#take");

/** Show the camera's picture and call `onFile` with the photo when the user takes one. */
export async function useCamera(onFile) {
  if (!navigator.mediaDevices?.getUserMedia) {
    find("#capture").click(); // an address without TLS: the phone's own camera still works
    return;
  }
  try {
    await show({ video: { facingMode: "environment", width: { ideal: 4096 }, height: { ideal: 4096 } } });
  } catch (error) {
    tell(sayWhy(error), { kind: "error" });
    return;
  }
  dialog.returnValue = "";
  dialog.showModal();
  await offerOthers();
  dialog.addEventListener("close", () => leave(onFile), { once: true });
}

async function show(wish) {
  stop();
  take.disabled = true;
  picture.srcObject = await navigator.mediaDevices.getUserMedia(wish);
  picture.addEventListener("loadeddata", () => (take.disabled = false), { once: true });
}

async function offerOthers() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const cameras = devices.filter((device) => device.kind === "videoinput");
  const used = picture.srcObject?.getVideoTracks()[0]?.getSettings().deviceId;
  choice.replaceChildren(
    ...cameras.map(({ deviceId, label }, index) =>
      make("option", { value: deviceId, text: label || `Camera ${index + 1}`, selected: deviceId === used }),
    ),
  );
  choice.hidden = cameras.length < 2;
}

async function leave(onFile) {
  const wantsPhoto = dialog.returnValue === "take";
  const photo = wantsPhoto ? await photograph() : null;
  stop();
  if (photo) onFile(photo);
}

async function photograph() {
  const canvas = new OffscreenCanvas(picture.videoWidth, picture.videoHeight);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
  return new File([blob], "photo.jpg", { type: "image/jpeg" });
}

function stop() {
  picture.srcObject?.getTracks().forEach((track) => track.stop());
  picture.srcObject = null;
}

/** What keeps a camera or a microphone from being used, in a sentence. */
export function sayWhy(error, device = "camera") {
  const reasons = {
    NotAllowedError: `The browser does not allow the ${device} for this page; see the sign beside the address.`,
    NotFoundError: `There is no ${device}.`,
    NotReadableError: `Another program uses the ${device}.`,
  };
  return reasons[error.name] ?? `The ${device} does not work: ${error.message}`;
}

choice.addEventListener("change", () => show({ video: { deviceId: { exact: choice.value } } }));
