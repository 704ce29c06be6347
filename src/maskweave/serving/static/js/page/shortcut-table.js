// Which key does what.

import { find } from "../dom.js";
import { pickClass } from "./presets.js";

const OPACITY_STEP = 0.1;

/** The page's shortcuts. `view()` is what is open now: an image, a video or null. */
export function shortcutsOf({ page, view, nextImage, useCamera, goLive, showHelp }) {
  const { look, stage } = page;
  const tool = (name) => () => view()?.chooseTool(name);
  const mode = (name) => () => view() && look.set({ mode: name });
  const fade = (step) => () => look.set({ opacity: Math.min(1, Math.max(0, look.opacity + step)) });
  const next = (step) => () => {
    const item = view()?.findings?.selectNext(step);
    if (item?.box) stage.moveTo(item.box);
  };
  const findings = (run) => () => {
    const { findings } = view() ?? {};
    if (findings?.selected.length) run(findings, findings.selected.map((item) => item.id));
  };
  const pick = (number) => pickClass(view(), number);
  const entry = (group, keys, words, run, shown) => ({ group, keys, words, run, shown });
  return [
    entry("Files", ["o"], "Open an image or a video", () => find("#file").click()),
    entry("Files", ["Shift+o"], "Open a folder, or a data set", () => find("#folder").click(), "Shift o"),
    entry("Files", ["c"], "Take a photo with the camera", useCamera),
    entry("Files", ["Shift+c"], "Live camera", goLive, "Shift c"),
    entry("Files", ["h"], "Earlier results", () => find("#open-history").click()),
    entry("Files", ["i"], "Models", () => find("#open-models").click()),
    entry("Files", ["n"], "Next image of the queue", () => nextImage(1)),
    entry("Files", ["Shift+n"], "Previous image of the queue", () => nextImage(-1), "Shift n"),
    entry("Objects", ["j"], "Next object", next(1)),
    entry("Objects", ["k"], "Previous object", next(-1)),
    entry("Objects", ["f"], "Zoom to the selected object", () => zoomToSelected(view(), stage)),
    entry("Objects", ["d"], "Hide the selected ones", findings((all, ids) => all.toggleHidden(ids))),
    entry("Objects", ["s"], "Show only the selected ones, or all again", () => solo(view())),
    entry("Objects", ["q"], "Lock the selected ones", findings((all, ids) => all.toggleLocked(ids))),
    entry("Objects", ["/"], "Search; Enter selects what is found", () => find("#search").focus()),
    entry("Objects", ["Ctrl+a"], "Select all that are shown", () => selectAll(view()), "Ctrl a"),
    entry("Objects", ["F2"], "Rename", () => view()?.rename?.()),
    entry("Objects", ["4", "5", "6", "7", "8", "9"], "Give the selected ones the class on the key, or what is drawn next", (key) => pick(Number(key)), "1 … 9"),
    entry("Objects", ["m"], "Merge the selected ones", () => view()?.merge?.()),
    entry("Objects", ["g"], "Split into its parts; follow a track anew from this frame on (video)", () => view()?.split?.() ?? view()?.follow?.()),
    entry("Objects", ["w"], "Cut a track at this frame (video)", () => view()?.cut?.()),
    entry("Objects", ["Delete", "Backspace"], "Delete the selected ones", () => view()?.remove?.()),
    entry("Objects", ["Ctrl+z"], "Undo", () => view()?.undo?.(), "Ctrl z"),
    entry("Objects", ["Ctrl+Shift+z", "Ctrl+y"], "Redo", () => view()?.redo?.(), "Ctrl Shift z"),
    entry("Objects", ["Escape"], "Select nothing", () => view()?.escape(), "Esc"),
    entry("Tools", ["v"], "Select", tool("select")),
    entry("Tools", ["a"], "Add to an object", tool("add")),
    entry("Tools", ["r"], "Remove from an object", tool("remove")),
    entry("Tools", ["x"], "Draw a box", tool("box")),
    entry("Tools", ["y"], "Move the points of an outline", tool("outline")),
    entry("Tools", ["p"], "Paint with the brush", tool("brush")),
    entry("Tools", ["e"], "Erase", tool("eraser")),
    entry("Tools", [","], "Smaller brush, or the point before", () => view()?.resizeBrush?.(-1)),
    entry("Tools", ["."], "Larger brush, or the next point", () => view()?.resizeBrush?.(1)),
    entry("Tools", ["l"], "Draw a line (video)", tool("line")),
    entry("Tools", ["z"], "Draw a zone (video)", tool("zone")),
    entry("View", ["1"], "Masks, while nothing is selected and no classes are set", () => pick(1) || mode("masks")()),
    entry("View", ["2"], "Outlines", () => pick(2) || mode("outlines")()),
    entry("View", ["3"], "Cut-out", () => pick(3) || (view()?.kind === "image" && look.set({ mode: "cutout" }))),
    entry("View", ["b"], "Before and after", () => view() && look.compare(!look.compares)),
    entry("View", ["["], "Masks fainter", fade(-OPACITY_STEP)),
    entry("View", ["]"], "Masks stronger", fade(OPACITY_STEP)),
    entry("View", ["+", "="], "Zoom in", () => stage.zoom(1.5)),
    entry("View", ["-"], "Zoom out", () => stage.zoom(1 / 1.5)),
    entry("View", ["0"], "Fit into the window", () => stage.fit()),
    entry("View", ["t"], "Light, dark, or as the system", () => find("#theme").click()),
    entry("Video", [" "], "Play or pause; stand still live, to correct, or go on", () => view()?.toggle?.(), "Space"),
    entry("Video", ["ArrowRight", "Ctrl+ArrowRight"], "Next frame; with Ctrl while a tool draws on the frame, too", () => view()?.step?.(1), "→"),
    entry("Video", ["ArrowLeft", "Ctrl+ArrowLeft"], "Previous frame", () => view()?.step?.(-1), "←"),
    entry("Video", ["u"], "Record what is live, or end and save", () => view()?.recordOrSave?.()),
    entry("Help", ["?"], "This list", showHelp),
  ];
}

/** A track is where it is in this frame. */
function zoomToSelected(view, stage) {
  const [item] = view?.findings?.selected ?? [];
  const box = item?.box ?? view?.boxOf?.(item);
  if (box) stage.zoomTo(box);
}

function solo(view) {
  const { findings } = view ?? {};
  findings?.solo(findings.selected.length ? findings.selected.map((item) => item.id) : []);
}

function selectAll(view) {
  view?.findings?.selectAll(view.findings.shown.map((item) => item.id));
}
