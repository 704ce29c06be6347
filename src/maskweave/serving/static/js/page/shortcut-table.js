// Which key does what.

import { find } from "../dom.js";

const OPACITY_STEP = 0.1;

/** The page's shortcuts. `view()` is what is open now: a picture, a video or null. */
export function shortcutsOf({ page, view, useCamera, showHelp }) {
  const { look, stage } = page;
  const tool = (name) => () => view()?.chooseTool(name);
  const mode = (name) => () => view() && look.set({ mode: name });
  const fade = (step) => () => look.set({ opacity: Math.min(1, Math.max(0, look.opacity + step)) });
  const next = (step) => () => view()?.findings?.selectNext(step);
  const entry = (group, keys, words, run, shown) => ({ group, keys, words, run, shown });
  return [
    entry("Files", ["o"], "Open a picture or a video", () => find("#file").click()),
    entry("Files", ["c"], "Take a photo with the camera", useCamera),
    entry("Files", ["h"], "Earlier results", () => find("#open-history").click()),
    entry("Objects", ["j"], "Next object", next(1)),
    entry("Objects", ["k"], "Previous object", next(-1)),
    entry("Objects", ["Ctrl+a"], "Select all that are shown", () => selectAll(view()), "Ctrl a"),
    entry("Objects", ["F2"], "Rename", () => view()?.rename?.()),
    entry("Objects", ["m"], "Merge the selected ones", () => view()?.merge?.()),
    entry("Objects", ["Delete", "Backspace"], "Delete the selected ones", () => view()?.remove?.()),
    entry("Objects", ["Ctrl+z"], "Undo", () => view()?.undo?.(), "Ctrl z"),
    entry("Objects", ["Ctrl+Shift+z", "Ctrl+y"], "Redo", () => view()?.redo?.(), "Ctrl Shift z"),
    entry("Objects", ["Escape"], "Select nothing", () => view()?.escape(), "Esc"),
    entry("Tools", ["v"], "Select", tool("select")),
    entry("Tools", ["a"], "Add to an object", tool("add")),
    entry("Tools", ["r"], "Remove from an object", tool("remove")),
    entry("Tools", ["x"], "Draw a box", tool("box")),
    entry("Tools", ["l"], "Draw a line (video)", tool("line")),
    entry("Tools", ["z"], "Draw a zone (video)", tool("zone")),
    entry("View", ["1"], "Masks", mode("masks")),
    entry("View", ["2"], "Outlines", mode("outlines")),
    entry("View", ["3"], "Cut-out", () => view()?.kind === "picture" && look.set({ mode: "cutout" })),
    entry("View", ["b"], "Before and after", () => view() && look.compare(!look.compares)),
    entry("View", ["["], "Masks fainter", fade(-OPACITY_STEP)),
    entry("View", ["]"], "Masks stronger", fade(OPACITY_STEP)),
    entry("View", ["+", "="], "Zoom in", () => stage.zoom(1.5)),
    entry("View", ["-"], "Zoom out", () => stage.zoom(1 / 1.5)),
    entry("View", ["0"], "Fit into the window", () => stage.fit()),
    entry("View", ["t"], "Light, dark, or as the system", () => find("#theme").click()),
    entry("Video", [" "], "Play or pause", () => view()?.toggle?.(), "Space"),
    entry("Video", ["ArrowRight"], "Next frame", () => view()?.step?.(1), "→"),
    entry("Video", ["ArrowLeft"], "Previous frame", () => view()?.step?.(-1), "←"),
    entry("Help", ["?"], "This list", showHelp),
  ];
}

function selectAll(view) {
  view?.findings?.selectAll(view.findings.shown.map((item) => item.id));
}
