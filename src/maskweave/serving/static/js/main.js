// The page: makes its parts, and opens images and videos.

import { find, make } from "./dom.js";
import { liveOf } from "./live/address.js";
import { LiveView } from "./live/live-view.js";
import { notify } from "./notify.js";
import { useCamera } from "./page/camera.js";
import { scaledDown } from "./page/decode.js";
import { Filters } from "./page/filters.js";
import { showEarlierResults, startHistory } from "./page/history.js";
import { ImageView } from "./page/image-view.js";
import { isImage, isVideo, takeFiles } from "./page/intake.js";
import { mayLeave } from "./page/leave-question.js";
import { LookControls } from "./page/look-controls.js";
import { startModelManager } from "./page/model-manager.js";
import { ObjectList } from "./page/object-list.js";
import { oneStop } from "./page/one-stop.js";
import { startPresets } from "./page/presets.js";
import { QueuePanel } from "./page/queue-panel.js";
import { offerSamples } from "./page/samples.js";
import { shortcutsOf } from "./page/shortcut-table.js";
import { showHelp, startShortcuts } from "./page/shortcuts.js";
import { startTheme } from "./page/theme.js";
import { fetchFormats, fetchModels, segment } from "./server/calls.js";
import { askTokenWith } from "./server/request.js";
import { askForToken } from "./server/token.js";
import { Stage } from "./stage/stage.js";
import { Dataset, imagesOf, isDataset } from "./state/dataset.js";
import { Look } from "./state/look.js";
import { Queue } from "./state/queue.js";
import { Timeline } from "./video/timeline.js";
import { VideoView } from "./video/video-view.js";

/** What all views share; a script in the console may steer the page by it. */
export const page = {
  stage: new Stage(find("#canvas")),
  look: new Look(),
  list: new ObjectList(),
  filters: new Filters(),
  timeline: new Timeline(),
  formats: { image: [], video: [], video_by_task: {}, tracks: [], titles: {}, suffixes: {} },
  choices: { task: "instances", model: null, refiner: null },
  showTool,
  showChoices,
  describeProblem,
  leave,
  keepInQueue,
  swap,
  get view() {
    return view;
  },
};
const VIDEO_WORDS = ["The video is still at work", "Leaving cancels the run, and nothing of it is kept."];
let learned = Promise.resolve(); // settled when the server has said what it can do, or cannot be asked
let view = null;
let queue = null; // several images, of which the view shows one
const queuePanel = new QueuePanel(page, { onGo: goTo, keep: keepSettled });

function showTool(name) {
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  }
  find("#brush-sizes").hidden = name !== "brush" && name !== "eraser";
}

/** Let the bar say what is asked for, as if the user had chosen it. */
function showChoices({ task, model }) {
  Object.assign(page.choices, { task, model });
  find("#task").value = task;
  if (model) find("#model").value = model;
}

/** Whether nothing would be lost that the user wants to keep. */
async function isFree() {
  if (view?.isWorking) return mayLeave(...(view.leavingWords ?? VIDEO_WORDS));
  if (!queue || queue.isSaved) return true;
  return mayLeave("The queue is not saved", "Leaving closes all its images. Save them first by “Save all”.");
}

/** Open what the user brought, [{path, file}]: one file, several images as a queue, or a data set. */
async function openAll(brought) {
  if (isDataset(brought)) return openDataset(brought);
  const files = brought.map(({ file }) => file);
  const names = new Map(brought.map(({ path, file }) => [file, path.replace(/^[^/]*\//, "")])); // below the folder that was brought
  const images = files.length === 1 ? files.filter((file) => !isVideo(file)) : files.filter(isImage);
  if (files.length === 1) return open(files[0]);
  if (!images.length) return files.some(isVideo) ? open(files.find(isVideo)) : notify("There is no image and no video among these files.", { kind: "error" });
  if (!(await isFree())) return null;
  const videos = files.filter(isVideo).length;
  if (videos) notify(`${videos === 1 ? "A video is" : `${videos} videos are`} left out: open them one by one.`);
  return startQueue(images.map((file) => ({ file, name: names.get(file) })));
}

/** Open a COCO or YOLO data set, to go on correcting it. */
async function openDataset(brought) {
  if (!(await isFree())) return null;
  leave();
  let close = notify("Opening the data set …");
  const showStep = (words) => {
    close();
    close = notify(words);
  };
  try {
    const { dataset, entries } = await Dataset.open(brought, showStep);
    const asked = JSON.stringify({ task: page.choices.task, model: page.choices.model });
    const images = entries.map((entry) => ({ ...entry, result: resultOf(entry, dataset, asked) }));
    if (!images.length) throw new Error(`No image of the data set can be opened. ${dataset.problems[0] ?? ""}`);
    notifyOfProblems(dataset.problems);
    return startQueue(images, dataset);
  } catch (error) {
    const again = { label: "Try again", run: () => openDataset(brought) };
    const alone = { label: "Open the images alone", run: async () => openAll(await imagesOf(brought)) };
    return notify(describeProblem(error, brought[0].file.name), { kind: "error", action: error.status !== undefined && mayWorkLater(error) ? again : alone });
  } finally {
    close();
  }
}

/** What the labels of an image say, as the server's answer about an image. */
function resultOf({ size, source, objects }, dataset, asked) {
  const numbered = objects.map(({ row, class: name, score, area, box, rle }) => ({ id: row + 1, row, class: name, score, area, box, rle }));
  return { size, model: source, task: "instances", asked, default_score: 0, class_names: dataset.classNames, objects: numbered };
}

function notifyOfProblems(problems) {
  if (!problems.length) return;
  const more = problems.length > 1 ? ` And ${problems.length - 1} more of this kind.` : "";
  notify(`${problems[0]}.${more} What cannot be read stays in the files as it is.`, { kind: "error" });
}

function startQueue(images, dataset = null) {
  leave();
  const find = (file, signal) => {
    const { task, model } = page.choices;
    return segment(file, { task, model, signal }).then((found) => ({ ...found, asked: JSON.stringify({ task, model }) }));
  };
  queue = new Queue(images, find, { dataset });
  queuePanel.bind(queue);
  queue.run();
  return goTo(0);
}

/** Open another image of the queue; what was changed in this one stays. */
function goTo(place) {
  if (!queue || place < 0 || place >= queue.entries.length) return null;
  keepInQueue();
  if (queue.current) keepLate(view, queue, queue.current);
  const tool = view?.toolName;
  const entry = queue.goTo(place);
  closeView();
  const { id, name, documents } = entry;
  const its = queue;
  const find = () => its.shownResultOf(entry);
  const result = entry.result && find();
  return show(entry.file, { id, name, kind: "image", result, documents, tool, find });
}

function keepInQueue() {
  if (view?.record) queue?.keep(view.record, view.documents);
}

/** Put the open image's changes into the queue, those that are on their way included. */
async function keepSettled() {
  await view?.settled;
  keepInQueue();
}

/** An answer that comes after its image was left is that image's all the same. */
function keepLate(left, its, entry) {
  if (left?.isSettling) left.settled.then(() => its.keep(left.record, left.documents, entry));
}

function closeView() {
  view?.close();
  view = null;
  page.list.clear();
  page.filters.clear();
}

/** Show `next` instead of the view that is shown, which whoever calls keeps or puts away. */
function swap(next) {
  view = next;
  page.list.clear();
  page.filters.clear();
  showWork(next.kind);
}

/** Go live: `asked` is what `liveOf` makes of an address, or nothing for this device's camera. */
async function goLive(asked = {}) {
  if (!(await isFree())) return;
  leave();
  const live = new LiveView(page, asked);
  swap(live);
  await live.open();
}

/** Go back to the first page. */
function leave() {
  closeView();
  queue?.close();
  queue = null;
  queuePanel.bind(null);
  find("#work").hidden = true;
  find("#open").hidden = true;
  find("#welcome").hidden = false;
  showEarlierResults();
}

/** Show a file, or with `entry` an earlier result of it. */
async function open(file, entry = null) {
  if (!file && entry?.kind !== "video") {
    notify("The image was too large to be kept with its result; open it again.", { kind: "error" });
    return;
  }
  if (!(await isFree())) return;
  leave();
  await show(file, entry);
}

async function show(file, entry) {
  const View = (entry ? entry.kind === "video" : isVideo(file)) ? VideoView : ImageView;
  const opened = new View(page, file, entry ?? {});
  view = opened;
  showWork(opened.kind);
  try {
    await learned; // a file may be chosen before the server has said what it can do
    const result = await entry?.result;
    if (view === opened) await opened.open(result);
  } catch (error) {
    if (view !== opened || error.name === "AbortError") return;
    if (queue) return notify(`${entry.name}: ${describeProblem(error, entry.name)}`, { kind: "error", action: { label: "Try again", run: () => goTo(queue?.at) } });
    leave();
    notify(describeProblem(error, file?.name), { kind: "error", action: wayOut(error, file, entry) });
  }
}

/** What can be done about a file that could not be opened, as a note's action. */
function wayOut(error, file, entry) {
  if (error.kind === "image-too-large") return { label: "Open it smaller", run: () => openSmaller(file, error) };
  return mayWorkLater(error) ? { label: "Try again", run: () => open(file, entry) } : null;
}

async function openSmaller(file, { message }) {
  const maxMegapixels = Number(/budget of ([\d.]+) Mpx/.exec(message)?.[1] ?? 16);
  const smaller = await scaledDown(file, maxMegapixels * 1e6);
  if (!smaller) return notify("This browser cannot scale the image down; use another program.", { kind: "error" });
  notify("The image is opened smaller than it is; masks fit the smaller one.");
  return open(smaller);
}

function showWork(kind) {
  find("#welcome").hidden = true;
  find("#work").hidden = false;
  find("#open").hidden = false;
  find("#work").dataset.kind = kind;
  find("#player").hidden = kind !== "video";
  find("#about-run").textContent = "";
  if (kind !== "image" && page.look.mode === "cutout") page.look.set({ mode: "masks" });
  page.look.compare(false);
  find("#content").focus({ preventScroll: true });
}

/** Whether the same file may be taken at another time: the server was busy, or could not be reached. */
function mayWorkLater({ status }) {
  return ![413, 415, 422].includes(status);
}

function describeProblem(error, name = "") {
  if (error.status === 415) return `“${name}” is no image or video of a kind that is known here.`;
  const wait = error.retryAfter ? ` Try again in ${error.retryAfter} seconds.` : "";
  return `${error.message}${wait && /\w$/.test(error.message) ? "." : ""}${wait}`;
}

/** Ask the server what it can do; the answer fills the choices. */
async function learnServer() {
  try {
    const [formats, models] = await Promise.all([fetchFormats(), fetchModels()]);
    Object.assign(page.formats, formats);
    offerModels(models.filter((model) => model.here));
  } catch (error) {
    notify(describeProblem(error), { kind: "error", action: { label: "Try again", run: () => (learned = learnServer()) } });
  }
}

function offerModels(models) {
  const finders = models.filter((model) => !model.promptable);
  const chosen = find("#model").value;
  find("#model").replaceChildren(...finders.map(({ name }) => make("option", { value: name, text: name })));
  find("#model-choice").hidden = finders.length < 2;
  const answersByDefault = finders[0] === models[0]; // else that one finds nothing by itself
  page.choices.model = finders.length > 1 || !answersByDefault ? (finders[0]?.name ?? null) : null;
  if (finders.some(({ name }) => name === chosen)) showChoices({ task: page.choices.task, model: page.choices.model && chosen });
  // A model that was fetched for clicks is preferred to the guide in the package.
  const refiners = models.filter((model) => model.promptable);
  page.choices.refiner = (refiners.find((model) => model.name !== "guide") ?? refiners[0])?.name ?? null;
}

/** Another task or model looks at the open image anew; a video waits for its button. */
function choose(changes) {
  Object.assign(page.choices, changes);
  if (view?.kind === "live") view.choose();
  if (view?.kind !== "image") return;
  if (view.findings) view.choose();
  else open(view.file);
}

function connect() {
  const click = (selector, run) => find(selector).addEventListener("click", run);
  click("#undo", () => view?.undo?.());
  click("#redo", () => view?.redo?.());
  click("#delete", () => view?.remove?.());
  click("#merge", () => view?.merge?.());
  click("#rename", () => view?.rename?.());
  click("#zoom-in", () => page.stage.zoom(1.5));
  click("#zoom-out", () => page.stage.zoom(1 / 1.5));
  click("#fit", () => page.stage.fit());
  click("#use-camera", () => useCamera(open));
  click("#go-live", () => goLive());
  click("#split-parts", () => view?.split?.());
  click("#brush-smaller", () => view?.resizeBrush?.(-1));
  click("#brush-larger", () => view?.resizeBrush?.(1));
  click("#copy-cutout", () => view?.copy?.("cutout"));
  click("#copy-mask", () => view?.copy?.("mask"));
  click("#follow", () => view?.follow?.());
  click("#cut", () => view?.cut?.());
  click("#live-end", async () => (await isFree()) && leave());
  click("#home", async (event) => {
    event.preventDefault();
    if (await isFree()) leave();
  });
  window.addEventListener("beforeunload", (event) => {
    if (view?.isWorking || (queue && !queue.isSaved)) event.preventDefault();
  });
  find("#task").addEventListener("change", (event) => choose({ task: event.target.value }));
  find("#model").addEventListener("change", (event) => choose({ model: event.target.value }));
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.addEventListener("click", () => view?.chooseTool(button.dataset.tool));
  }
  const controls = new LookControls(page.look, page.stage);
  page.look.addEventListener("change", () => {
    page.stage.invalidate();
    page.list.refresh();
    page.timeline.refresh();
  });
  page.stage.onpaint = () => controls.place();
}

for (const selector of [".tools", "#class-chips", "#preset-chips", "#object-actions", "#files", "#samples", "#model-list"]) oneStop(find(selector));
startTheme();
startPresets(() => view);
askTokenWith(askForToken);
connect();
takeFiles(openAll);
offerSamples((file) => open(file));
startModelManager((models) => offerModels(models.filter((model) => model.here)));
startHistory((entry, file) => open(file, entry));
startShortcuts(shortcutsOf({ page, view: () => view, nextImage: (step) => queue && goTo(queue.at + step), useCamera: () => useCamera(open), goLive: () => goLive(), showHelp }));
learned = learnServer();
const asked = liveOf(location.hash);
if (asked) goLive(asked);
