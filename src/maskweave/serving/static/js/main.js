// The page: makes its parts, and opens pictures and videos.

import { find, make } from "./dom.js";
import { useCamera } from "./page/camera.js";
import { Filters } from "./page/filters.js";
import { startHistory } from "./page/history.js";
import { isVideo, takeFiles } from "./page/intake.js";
import { LookControls } from "./page/look-controls.js";
import { ObjectList } from "./page/object-list.js";
import { PictureView } from "./page/picture-view.js";
import { showHelp, startShortcuts } from "./page/shortcuts.js";
import { shortcutsOf } from "./page/shortcut-table.js";
import { startTheme } from "./page/theme.js";
import { fetchFormats, fetchModels } from "./server/calls.js";
import { askTokenWith } from "./server/request.js";
import { askForToken } from "./server/token.js";
import { Stage } from "./stage/stage.js";
import { Look } from "./state/look.js";
import { tell } from "./tell.js";
import { VideoView } from "./video/video-view.js";

/** What all views share; a script in the console may steer the page by it. */
export const page = {
  stage: new Stage(find("#canvas")),
  look: new Look(),
  list: new ObjectList(),
  filters: new Filters(),
  formats: { image: [], video: [] },
  choices: { task: "instances", model: null, refiner: null },
  showTool,
  leave,
};
let view = null;

function showTool(name) {
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  }
}

/** Go back to the first page. */
function leave() {
  view?.close();
  view = null;
  page.list.clear();
  page.filters.clear();
  find("#work").hidden = true;
  find("#open").hidden = true;
  find("#welcome").hidden = false;
}

/** Show a file, or with `entry` an earlier result of it. */
async function open(file, entry = null) {
  const isFilm = entry ? entry.kind === "video" : isVideo(file);
  if (!file && !isFilm) {
    tell("The picture was too large to be kept with its result; open it again.", { kind: "error" });
    return;
  }
  leave();
  const opened = new (isFilm ? VideoView : PictureView)(page, file, entry ?? {});
  view = opened;
  showWork(opened.kind);
  try {
    await opened.open(entry?.result);
  } catch (error) {
    if (view !== opened || error.name === "AbortError") return;
    leave();
    const again = mayWorkLater(error) ? { label: "Try again", run: () => open(file, entry) } : null;
    tell(sayProblem(error, file?.name), { kind: "error", action: again });
  }
}

function showWork(kind) {
  find("#welcome").hidden = true;
  find("#work").hidden = false;
  find("#open").hidden = false;
  find("#work").dataset.kind = kind;
  find("#player").hidden = kind !== "video";
  find("#about-run").textContent = "";
  if (kind === "video" && page.look.mode === "cutout") page.look.set({ mode: "masks" });
  page.look.compare(false);
  find("#content").focus({ preventScroll: true });
}

/** Whether the same file may be taken at another time: the server was busy, or could not be reached. */
function mayWorkLater({ status }) {
  return ![413, 415, 422].includes(status);
}

function sayProblem(error, name = "") {
  if (error.status === 415) return `“${name}” is no picture or video of a kind that is known here.`;
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
    tell(sayProblem(error), { kind: "error", action: { label: "Try again", run: learnServer } });
  }
}

function offerModels(models) {
  const finders = models.filter((model) => !model.promptable);
  find("#model").replaceChildren(...finders.map(({ name }) => make("option", { value: name, text: name })));
  find("#model-choice").hidden = finders.length < 2;
  const answersByDefault = finders[0] === models[0]; // else that one finds nothing by itself
  page.choices.model = finders.length > 1 || !answersByDefault ? (finders[0]?.name ?? null) : null;
  page.choices.refiner = models.find((model) => model.promptable)?.name ?? null;
}

/** Another task or model looks at the open picture anew; a video waits for its button. */
function choose(changes) {
  Object.assign(page.choices, changes);
  if (view?.kind === "picture") open(view.file);
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
  click("#home", (event) => {
    event.preventDefault();
    leave();
  });
  find("#task").addEventListener("change", (event) => choose({ task: event.target.value }));
  find("#model").addEventListener("change", (event) => choose({ model: event.target.value }));
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.addEventListener("click", () => view?.chooseTool(button.dataset.tool));
  }
  const controls = new LookControls(page.look, page.stage);
  page.look.addEventListener("change", () => page.stage.invalidate());
  page.stage.onpaint = () => controls.place();
}

startTheme();
askTokenWith(askForToken);
connect();
takeFiles(open);
startHistory((entry, file) => open(file, entry));
startShortcuts(shortcutsOf({ page, view: () => view, useCamera: () => useCamera(open), showHelp }));
learnServer();
