// The models that the server knows: which are there, what they are, and how to get or remove one.

import { find, icon, make } from "../dom.js";
import { announce, notify } from "../notify.js";
import { fetchModels, getModel, removeModel } from "../server/calls.js";
import { bytes, percent } from "../words.js";

const BETWEEN_LOOKS = 700; // milliseconds, while a model is on its way
const TASKS = { instances: "objects", semantic: "class maps", foreground: "foreground" };

const dialog = find("#models");
let onChange = () => {};
let timer = 0;

/** `changed(models)` is called when there are other models than before. */
export function startModelManager(changed) {
  onChange = changed;
  find("#open-models").addEventListener("click", open);
  find("#close-models").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => clearTimeout(timer));
}

async function open() {
  dialog.showModal();
  await refresh();
}

/** Ask what there is, and show it; as long as a model is on its way, again in a moment. */
async function refresh() {
  clearTimeout(timer);
  try {
    const models = await fetchModels();
    show(models);
    if (dialog.open && models.some(isComing)) timer = setTimeout(refresh, BETWEEN_LOOKS);
  } catch (error) {
    notify(error.message, { kind: "error" });
  }
}

function show(models) {
  const list = find("#model-list");
  const names = models.filter(({ here }) => here).map(({ name }) => name).join();
  if (list.dataset.here !== undefined && list.dataset.here !== names) {
    onChange(models);
    announce("The models changed.");
  }
  list.dataset.here = names;
  const focused = document.activeElement?.dataset.name; // rows are made anew under the hand that waits
  list.replaceChildren(...models.map(row));
  if (focused) find(`[data-name="${CSS.escape(focused)}"]`, list)?.focus();
}

function row(model) {
  const { name, license, here, how, fetching } = model;
  const facts = [model.promptable ? "for clicks and boxes" : TASKS[model.task], model.classes && `${model.classes} classes`, license, sizeOf(model)];
  const about = make(
    "div",
    { class: "model__about" },
    make("h3", { class: "model__name", text: name }),
    make("p", { class: "model__facts", text: facts.filter(Boolean).join(" · ") }),
    how ? make("p", { class: "model__how" }, "Get it with ", make("code", { text: how })) : null,
    fetching?.error ? make("p", { class: "refused", text: fetching.error }) : null,
  );
  return make("li", { class: "model", "data-here": here }, about, ...action(model));
}

function action(model) {
  const { name, here, how, removable, fetching } = model;
  if (isComing(model)) {
    const { bytes: done, total } = fetching;
    const bar = make("progress", { class: "busy__bar", max: "1", value: total ? String(done / total) : null, "aria-label": `Fetching ${name}` });
    return [make("div", { class: "model__coming" }, bar, make("span", { text: total ? percent(done / total) : bytes(done) }))];
  }
  if (removable) return [button(name, "Remove", "delete", () => removeModel(name))];
  if (here) return [make("span", { class: "model__state", text: model.bytes === null && !how ? "built in" : "here" })];
  return how ? [] : [button(name, fetching?.error ? "Try again" : "Fetch", "download", () => getModel(name))];
}

function button(name, words, sign, run) {
  const act = async () => {
    try {
      await run();
    } catch (error) {
      notify(error.message, { kind: "error" });
    }
    await refresh();
  };
  return make("button", { class: "button button--small", type: "button", "data-name": name, "aria-label": `${words} ${name}`, onclick: act }, icon(sign), words);
}

function sizeOf({ bytes: size, here, source, how }) {
  if (size !== null) return bytes(size);
  return here || !source || how ? "" : "size unknown";
}

function isComing({ fetching }) {
  return Boolean(fetching && !fetching.error);
}
