// The canvas: sharp at every device pixel ratio, with mouse, touch, pen and keys.

import { Viewport } from "./viewport.js";

const TAP = 5; // CSS pixels that a hand may shake while it taps
const TOUCH_TAP = 12;
const HOLD = 450; // milliseconds after which a finger on the image means what Shift means
const MARGIN = 16; // CSS pixels round a fitted image
const KEY_STEP = 1 / 60; // of the image's longer side that an arrow key moves the crosshair
const FINE_KEY_STEP = 1 / 600;

/**
 * Draws by `painter.paint(context, stage)` and hands gestures on to `painter.tool`: an object with any of
 * hover(x, y), leave(), tap(x, y, {adds}), canDrag or canDragFrom(x, y), dragStart(x, y), drag(x, y), dragEnd(x, y), all
 * in pixels of the image; `adds` where Shift or Ctrl is held, or a finger for a while. What the tool does not drag
 * moves the image. nudge([dx, dy], isFine) and enter() may take the arrow keys and Enter, and say whether they did.
 */
export class Stage {
  viewport = new Viewport();
  crosshair = null; // [x, y] in the image while it is steered by keys
  painter = null;
  onpaint = null; // called after each painting, when the image may have moved

  #canvas;
  #context;
  #imageSize = { width: 1, height: 1 };
  #pointers = new Map();
  #gesture = null; // {kind: "press" | "drag" | "pan" | "pinch", …}
  #isDue = false;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#watchSize();
    const on = (name, run, options) => canvas.addEventListener(name, run, options);
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.#cancel(event));
    on("pointerleave", () => !this.#pointers.size && this.painter?.tool?.leave?.());
    on("wheel", (event) => this.#wheel(event), { passive: false });
    on("keydown", (event) => this.#key(event));
    on("contextmenu", (event) => event.pointerType === "touch" && event.preventDefault());
    on("blur", () => this.#dropCrosshair());
    on("dblclick", () => this.painter?.tool?.finish?.());
  }

  get imageSize() {
    return this.#imageSize;
  }

  get canvas() {
    return this.#canvas;
  }

  /** Device pixels in a CSS pixel. */
  get ratio() {
    return window.devicePixelRatio || 1;
  }

  /** Show an image of {width, height} by `painter`. */
  show(imageSize, painter) {
    this.#imageSize = imageSize;
    this.painter = painter;
    this.crosshair = null;
    this.#canvas.parentElement.style.setProperty("--aspect", imageSize.width / imageSize.height);
    this.viewport.show(imageSize);
    this.invalidate();
  }

  /** Draw again, once, before the next frame is shown. */
  invalidate() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.paintNow();
    });
  }

  paintNow() {
    this.#context.setTransform(1, 0, 0, 1, 0, 0);
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.painter?.paint(this.#context, this);
    this.#canvas.classList.toggle("canvas--draws", Boolean(this.painter?.tool?.canDrag));
    this.#canvas.classList.toggle("canvas--moves", !this.viewport.isFitted);
    this.onpaint?.();
  }

  zoom(factor) {
    this.viewport.zoom(factor);
    this.invalidate();
  }

  /** Let `box` of the image fill most of the window. */
  zoomTo(box) {
    this.viewport.zoomTo(box);
    this.invalidate();
  }

  /** Bring `box` of the image into the middle, unless all of the image is seen. */
  moveTo(box) {
    if (!this.viewport.isFitted) this.viewport.moveTo(box);
    this.invalidate();
  }

  fit() {
    this.viewport.fit();
    this.invalidate();
  }

  #watchSize() {
    const observer = new ResizeObserver((entries) => this.#resize(entries[0]));
    try {
      observer.observe(this.#canvas, { box: "device-pixel-content-box" });
    } catch {
      observer.observe(this.#canvas); // Safari
    }
  }

  #resize(entry) {
    const box = entry.contentBoxSize[0];
    const exact = entry.devicePixelContentBoxSize?.[0];
    const width = devicePixels(box.inlineSize * this.ratio, exact?.inlineSize);
    const height = devicePixels(box.blockSize * this.ratio, exact?.blockSize);
    if (!width || !height) return;
    this.#canvas.width = width;
    this.#canvas.height = height;
    const margin = Math.min(MARGIN, box.inlineSize / 40) * this.ratio;
    this.viewport.resize({ width, height }, margin, this.#bottom() * this.ratio);
    this.paintNow(); // at once: changing its size has emptied the canvas
  }

  /** CSS pixels at the lower edge that the tools take. */
  #bottom() {
    const tools = this.#canvas.parentElement.querySelector(".tools");
    return this.#canvas.getBoundingClientRect().bottom - tools.getBoundingClientRect().top;
  }

  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    const ratio = this.#canvas.width / box.width;
    return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  }

  #toImage(place) {
    return this.viewport.toImage(...place);
  }

  #down(event) {
    if (event.button > 1) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.crosshair = null;
    const place = this.#place(event);
    this.#pointers.set(event.pointerId, place);
    if (this.#pointers.size === 2) this.#startPinch();
    else if (this.#pointers.size === 1) {
      this.#gesture = { kind: "press", start: place, isMiddle: event.button === 1, since: event.timeStamp };
    }
  }

  #move(event) {
    const place = this.#place(event);
    const tool = this.painter?.tool;
    if (!this.#pointers.has(event.pointerId)) {
      tool?.hover?.(...this.#toImage(place));
      return;
    }
    this.#pointers.set(event.pointerId, place);
    if (this.#gesture?.kind === "press") this.#decide(event, place);
    if (this.#gesture?.kind === "drag") tool?.drag?.(...this.#toImage(place));
    if (this.#gesture?.kind === "pan") this.#pan(place);
    if (this.#gesture?.kind === "pinch") this.#pinch();
  }

  /** A press that moves becomes the tool's, or moves the image. */
  #decide(event, place) {
    const { start, isMiddle } = this.#gesture;
    const far = Math.hypot(place[0] - start[0], place[1] - start[1]) / this.ratio;
    if (far < (event.pointerType === "touch" ? TOUCH_TAP : TAP)) return;
    const tool = this.painter?.tool;
    const drags = tool?.canDragFrom?.(...this.#toImage(start)) ?? tool?.canDrag;
    if (drags && !isMiddle) {
      this.#gesture = { kind: "drag" };
      tool.dragStart(...this.#toImage(start));
    } else {
      this.#gesture = { kind: "pan", last: start };
    }
  }

  #up(event) {
    const gesture = this.#gesture;
    const place = this.#place(event);
    this.#pointers.delete(event.pointerId);
    if (gesture?.kind === "pinch" && this.#pointers.size) return;
    this.#gesture = null;
    const tool = this.painter?.tool;
    const holds = event.pointerType === "touch" && event.timeStamp - gesture?.since >= HOLD;
    if (gesture?.kind === "press" && !gesture.isMiddle) this.#tap(this.#toImage(place), event, holds);
    if (gesture?.kind === "drag") tool?.dragEnd?.(...this.#toImage(place));
  }

  #tap(place, event, holds = false) {
    this.painter?.tool?.tap?.(...place, { adds: holds || event.shiftKey || event.ctrlKey || event.metaKey });
  }

  #cancel(event) {
    this.#pointers.delete(event.pointerId);
    this.#gesture = null;
    this.painter?.tool?.leave?.();
  }

  #pan(place) {
    const { last } = this.#gesture;
    this.viewport.pan(place[0] - last[0], place[1] - last[1]);
    this.#gesture.last = place;
    this.invalidate();
  }

  #startPinch() {
    if (this.#gesture?.kind === "drag") this.painter?.tool?.leave?.();
    this.#gesture = { kind: "pinch", ...this.#spread() };
  }

  #pinch() {
    const before = this.#gesture;
    const now = this.#spread();
    this.viewport.zoom(now.distance / before.distance, before.x, before.y, now.x, now.y);
    this.#gesture = { kind: "pinch", ...now };
    this.invalidate();
  }

  #spread() {
    const [[x1, y1], [x2, y2]] = [...this.#pointers.values()];
    return { x: (x1 + x2) / 2, y: (y1 + y2) / 2, distance: Math.max(1, Math.hypot(x2 - x1, y2 - y1)) };
  }

  #wheel(event) {
    const scrolls = document.documentElement.scrollHeight > window.innerHeight;
    if (!this.painter || (scrolls && !event.ctrlKey)) return; // a page that scrolls keeps the wheel to itself
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
    this.viewport.zoom(Math.exp((-event.deltaY * lines) / 400), ...this.#place(event));
    this.invalidate();
  }

  #key(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const tool = this.painter?.tool;
    if (event.altKey || !tool || (way && (event.ctrlKey || event.metaKey))) return;
    if (way && tool.nudge?.(way, event.shiftKey)) this.crosshair = null;
    else if (event.key === "Enter" && !this.crosshair && tool.enter?.()) this.invalidate();
    else if (way && !tool.keepsArrows) this.#moveCrosshair(way, event.shiftKey);
    else if (event.key === "Enter" && this.crosshair) this.#tap(this.crosshair, event);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #moveCrosshair([dx, dy], isFine) {
    const { width, height } = this.#imageSize;
    const step = Math.max(width, height) * (isFine ? FINE_KEY_STEP : KEY_STEP);
    const [x, y] = this.crosshair ?? [width / 2, height / 2];
    const within = (value, max) => Math.min(max - 0.5, Math.max(0.5, value));
    this.crosshair = [within(x + dx * step, width), within(y + dy * step, height)];
    this.painter.tool.hover?.(...this.crosshair);
    this.invalidate();
  }

  #dropCrosshair() {
    if (!this.crosshair) return;
    this.crosshair = null;
    this.painter?.tool?.leave?.();
    this.invalidate();
  }
}

/** The exact length where the browser tells it; some tell one that the pixel ratio does not reach. */
function devicePixels(about, exact) {
  return exact !== undefined && Math.abs(exact - about) <= 1 ? exact : Math.round(about);
}
