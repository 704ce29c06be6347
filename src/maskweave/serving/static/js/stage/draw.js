// Marks on the canvas. Widths and sizes are CSS pixels, places are pixels of the picture.

import { css } from "../masks/palette.js";

const TILE = 8; // CSS pixels of a square of the ground that means transparent
const BLUR_AT = 512; // pixels of the longer side of the picture that is blurred: it has no detail to lose

/** Draw `bitmap` so that it fills `picture` {width, height}. */
export function drawPicture(context, stage, bitmap, picture) {
  stage.viewport.apply(context);
  context.imageSmoothingEnabled = stage.viewport.scale < 3; // far in, pixels are what one wants to see
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, picture.width, picture.height);
}

/** Draw only right of the place that parts before from after: `split` of the picture's width. */
export function clipRightOf(context, stage, picture, split) {
  stage.viewport.apply(context);
  context.beginPath();
  context.rect(picture.width * split, 0, picture.width * (1 - split), picture.height);
  context.clip();
}

/** Fill a mask with `fill` (opacity) of its colour and draw its border `line` wide; 0 leaves either out. */
export function drawMask(context, stage, { path, scale, colour, fill = 0, line = 0, halo = false }) {
  stage.viewport.apply(context, scale);
  if (fill > 0) {
    context.fillStyle = css(colour, fill);
    context.fill(path);
  }
  const width = (line * stage.ratio * scale) / stage.viewport.scale;
  context.lineJoin = "round";
  if (halo) strokePath(context, path, "rgb(255 255 255 / 0.85)", width * 2.2);
  if (line > 0) strokePath(context, path, css(colour), width);
}

function strokePath(context, path, style, width) {
  context.strokeStyle = style;
  context.lineWidth = width;
  context.stroke(path);
}

/** One path of several, for the nonzero rule. */
export function joined(paths) {
  const all = new Path2D();
  paths.forEach((path) => all.addPath(path));
  return all;
}

/** Only what `paths` enclose of the picture, before the ground that `look` says. */
export function drawCutout(context, stage, { bitmap, blurred, picture, paths, scale, look }) {
  drawGround(context, stage, { blurred, picture, look });
  context.save();
  stage.viewport.apply(context, scale);
  context.clip(joined(paths));
  drawPicture(context, stage, bitmap, picture);
  context.restore();
}

function drawGround(context, stage, { blurred, picture, look }) {
  const [x, y] = stage.viewport.toWindow(0, 0);
  const [width, height] = [picture.width, picture.height].map((side) => side * stage.viewport.scale);
  context.setTransform(1, 0, 0, 1, 0, 0);
  if (look.background === "blur") {
    context.imageSmoothingEnabled = true;
    context.drawImage(blurred(), x, y, width, height);
    return;
  }
  context.fillStyle = look.background === "colour" ? look.colour : chequered(context, stage.ratio);
  context.fillRect(x, y, width, height);
}

function chequered(context, ratio) {
  const side = Math.round(TILE * ratio);
  const tile = new OffscreenCanvas(side * 2, side * 2);
  const tiles = tile.getContext("2d");
  tiles.fillStyle = "#f4f4f4";
  tiles.fillRect(0, 0, side * 2, side * 2);
  tiles.fillStyle = "#d9d9d9";
  tiles.fillRect(0, 0, side, side);
  tiles.fillRect(side, side, side, side);
  return context.createPattern(tile, "repeat");
}

/** A small, blurred copy of `bitmap`. */
export function blurredCopy(bitmap, picture) {
  const shrink = Math.min(1, BLUR_AT / Math.max(picture.width, picture.height));
  const width = Math.max(1, Math.round(picture.width * shrink));
  const height = Math.max(1, Math.round(picture.height * shrink));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const sigma = Math.max(width, height) / 70; // as the server's writer blurs
  const over = Math.ceil(3 * sigma); // drawn larger, so that the border does not fade
  context.filter = `blur(${sigma}px)`;
  context.drawImage(bitmap, -over, -over, width + 2 * over, height + 2 * over);
  return canvas;
}

/** A name on a ground of the object's colour, above (x, y). */
export function drawTag(context, stage, text, [x, y], colour) {
  const size = 13 * stage.ratio * Math.max(1, rootSize() / 16);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.font = `600 ${size}px ${getComputedStyle(stage.canvas).fontFamily}`;
  context.textBaseline = "middle";
  const [pad, height] = [size * 0.55, size * 1.7];
  const width = context.measureText(text).width + 2 * pad;
  const [atX, atY] = stage.viewport.toWindow(x, y);
  const left = Math.min(Math.max(2, atX), stage.canvas.width - width - 2);
  const top = Math.max(2, atY - height - size * 0.3);
  context.fillStyle = "rgb(16 18 22 / 0.88)";
  context.beginPath();
  context.roundRect(left, top, width, height, size * 0.45);
  context.fill();
  context.fillStyle = css(colour);
  context.beginPath();
  context.roundRect(left, top, size * 0.32, height, [size * 0.45, 0, 0, size * 0.45]);
  context.fill();
  context.fillStyle = "#fff";
  context.fillText(text, left + pad + size * 0.12, top + height / 2 + size * 0.04);
}

function rootSize() {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize);
}

/** What a person pointed at: 1 is a point on the object, 0 one beside it. */
export function drawPoints(context, stage, points) {
  context.setTransform(1, 0, 0, 1, 0, 0);
  for (const [x, y, isOn] of points) {
    const [atX, atY] = stage.viewport.toWindow(x, y);
    const radius = 7 * stage.ratio;
    disc(context, atX, atY, radius, "#fff");
    disc(context, atX, atY, radius - 1.5 * stage.ratio, isOn ? "#137a41" : "#c02637");
    context.fillStyle = "#fff";
    const [long, thin] = [radius, 2 * stage.ratio];
    context.fillRect(atX - long / 2, atY - thin / 2, long, thin);
    if (isOn) context.fillRect(atX - thin / 2, atY - long / 2, thin, long);
  }
}

function disc(context, x, y, radius, style) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = style;
  context.fill();
}

/** A line through corners, light upon dark, so that it shows on every ground. */
export function drawLine(context, stage, points, { isClosed = false, colour = "#fff", dash = [] } = {}) {
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.beginPath();
  points.forEach(([x, y]) => context.lineTo(...stage.viewport.toWindow(x, y)));
  if (isClosed) context.closePath();
  context.lineJoin = "round";
  context.lineCap = "round";
  context.lineWidth = 4.5 * stage.ratio;
  context.strokeStyle = "rgb(0 0 0 / 0.6)";
  context.stroke();
  context.setLineDash(dash.map((length) => length * stage.ratio));
  context.lineWidth = 2 * stage.ratio;
  context.strokeStyle = colour;
  context.stroke();
  context.setLineDash([]);
}

export function drawBox(context, stage, [x1, y1, x2, y2]) {
  const corners = [
    [x1, y1],
    [x2, y1],
    [x2, y2],
    [x1, y2],
  ];
  drawLine(context, stage, corners, { isClosed: true, dash: [7, 5] });
}

export function drawCrosshair(context, stage, [x, y]) {
  const [atX, atY] = stage.viewport.toWindow(x, y);
  const long = 14 * stage.ratio;
  context.setTransform(1, 0, 0, 1, 0, 0);
  for (const [style, width] of [
    ["rgb(0 0 0 / 0.7)", 5],
    ["#fff", 2],
  ]) {
    context.strokeStyle = style;
    context.lineWidth = width * stage.ratio;
    context.beginPath();
    context.moveTo(atX - long, atY);
    context.lineTo(atX + long, atY);
    context.moveTo(atX, atY - long);
    context.lineTo(atX, atY + long);
    context.stroke();
  }
}
