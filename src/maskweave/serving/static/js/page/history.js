// Earlier results of this browser: on the first page, and in a dialog.

import { find, icon, make } from "../dom.js";
import { notify } from "../notify.js";
import * as kept from "../state/kept-results.js";

const ON_FIRST_PAGE = 6;
const THUMBNAIL = 320; // pixels of the longer side

let open = null; // (entry) => void

/** `onOpen(entry, file)` shows an entry again. */
export function startHistory(onOpen) {
  const dialog = find("#history");
  open = async (entry) => {
    dialog.close();
    onOpen(entry, await kept.keptFile(entry.id));
  };
  find("#open-history").addEventListener("click", showHistory);
  find("#close-history").addEventListener("click", () => dialog.close());
  find("#forget-all").addEventListener("click", async () => {
    await kept.forgetAll();
    await showEarlierResults();
  });
  showEarlierResults();
}

/** Show what is kept now; a browser that keeps nothing has no earlier results. */
export async function showEarlierResults() {
  await fillCards().catch(() => {});
}

/** Keep a result; a browser without room is told of once. */
export async function keep(entry, file) {
  try {
    await kept.keepResult(entry, file);
    if (!find("#welcome").hidden) await showEarlierResults();
  } catch {
    if (!keep.hasWarned) notify("This browser has no room to keep the result for later.");
    keep.hasWarned = true;
  }
}

/** A small JPEG of what `source` (a bitmap, canvas or video of width x height) shows. */
export async function thumbnailOf(source, { width, height }) {
  const shrink = Math.min(1, THUMBNAIL / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.max(1, width * shrink), Math.max(1, height * shrink));
  canvas.getContext("2d").drawImage(source, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 });
}

async function showHistory() {
  await showEarlierResults();
  find("#history").showModal();
}

async function fillCards() {
  const entries = await kept.keptResults();
  const forget = async (entry) => {
    await kept.forgetResult(entry.id);
    await fillCards();
  };
  const cards = (some) => some.map((entry) => card(entry, forget));
  find("#history-cards").replaceChildren(...cards(entries));
  find("#history-none").hidden = entries.length > 0;
  find("#forget-all").disabled = !entries.length;
  find("#recent-cards").replaceChildren(...cards(entries.slice(0, ON_FIRST_PAGE)));
  find("#recent").hidden = !entries.length;
}

function card(entry, forget) {
  const address = entry.thumbnail ? URL.createObjectURL(entry.thumbnail) : null;
  const when = new Date(entry.when).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const image = make("img", { class: "card__image", alt: "", src: address, onload: () => URL.revokeObjectURL(address) });
  const button = make(
    "button",
    { class: "card__open", type: "button", onclick: () => open(entry) },
    image,
    make("span", { class: "card__name", text: entry.name }),
    make("span", { class: "card__words", text: `${entry.words} · ${when}` }),
  );
  const remove = make(
    "button",
    { class: "icon-button card__forget", type: "button", "aria-label": `Forget ${entry.name}`, onclick: () => forget(entry) },
    icon("close"),
  );
  return make("li", { class: "card" }, button, remove);
}
