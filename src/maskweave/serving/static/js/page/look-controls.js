// The controls of how results look, and the slider between before and after.

import { find } from "../dom.js";
import { percent } from "../words.js";

const KEY_STEP = 0.02; // of the image's width

/** Binds the page's controls to `look`; `stage` tells where the image lies. */
export class LookControls {
  #look;
  #stage;
  #split = find("#split");

  constructor(look, stage) {
    this.#look = look;
    this.#stage = stage;
    for (const radio of document.querySelectorAll("input[name=mode]")) {
      radio.addEventListener("change", () => look.set({ mode: radio.value }));
    }
    find("#opacity").addEventListener("input", (event) => look.set({ opacity: Number(event.target.value) }));
    find("#color-by").addEventListener("change", (event) => look.set({ colorBy: event.target.value }));
    find("#background").addEventListener("change", (event) => look.set({ background: event.target.value }));
    find("#color").addEventListener("input", (event) =>
      look.set({ color: event.target.value, background: "color" }),
    );
    find("#compare").addEventListener("click", () => look.compare(!look.compares));
    this.#split.addEventListener("keydown", (event) => this.#key(event));
    this.#split.addEventListener("pointerdown", (event) => this.#split.setPointerCapture(event.pointerId));
    this.#split.addEventListener("pointermove", (event) => this.#drag(event));
    look.addEventListener("change", () => this.update());
    this.update();
  }

  /** Show the state of `look`. */
  update() {
    const look = this.#look;
    const mode = document.querySelector(`input[name=mode][value=${look.mode}]`);
    if (mode) mode.checked = true;
    find("#opacity").value = String(look.opacity);
    find("#opacity-value").textContent = percent(look.opacity);
    find("#opacity-field").hidden = look.mode !== "masks";
    find("#background-field").hidden = look.mode !== "cutout";
    find("#color-by").value = look.colorBy;
    find("#background").value = look.background;
    find("#color").value = look.color;
    find("#color").hidden = look.background !== "color";
    find("#compare").setAttribute("aria-pressed", String(look.compares));
    this.#split.hidden = !look.compares;
    this.#split.setAttribute("aria-valuenow", String(Math.round(look.split * 100)));
    this.place();
  }

  /** Put the slider where the image is split. */
  place() {
    if (this.#split.hidden) return;
    const { viewport, ratio } = this.#stage;
    const [x] = viewport.toWindow(this.#look.split * this.#stage.imageSize.width, 0);
    this.#split.style.setProperty("--x", `${x / ratio}px`);
  }

  #drag(event) {
    if (!this.#split.hasPointerCapture(event.pointerId)) return;
    const left = this.#stage.canvas.getBoundingClientRect().left;
    const [x] = this.#stage.viewport.toImage((event.clientX - left) * this.#stage.ratio, 0);
    this.#look.moveSplit(x / this.#stage.imageSize.width);
  }

  #key(event) {
    const step = { ArrowLeft: -KEY_STEP, ArrowRight: KEY_STEP, ArrowDown: -KEY_STEP, ArrowUp: KEY_STEP }[event.key];
    const end = { Home: 0, End: 1 }[event.key];
    if (step === undefined && end === undefined) return;
    this.#look.moveSplit(end ?? this.#look.split + step);
    event.preventDefault();
    event.stopPropagation();
  }
}
