// Marks on the canvas. Widths and sizes are CSS pixels, places are pixels of the image.

import { css } from "../masks/palette.js";

const TILE = 8; // CSS pixels of a square of the ground that means transparent
const BLUR_AT = 512; // pixels of the longer side of the image that is blurred: it has no detail to lose

/** Draw `bitmap` so that it fills `imageSize` {width, height}; `quality`: what a moving image has no time for. */
export function drawBitmap(context, stage, bitmap, imageSize, quality = "high") {
  stage.viewport.apply(context);
  context.imageSmoothingEnabled = stage.viewport.scale < 3; // far in, pixels are what one wants to see
  context.imageSmoothingQuality = quality;
  context.drawImage(bitmap, 0, 0, imageSize.width, imageSize.height);
}

/** Draw only right of the place that parts before from after: `split` of the image's width. */
export function clipRightOf(context, stage, imageSize, split) {
  stage.viewport.apply(context);
  context.beginPath();
  context.rect(imageSize.width * split, 0, imageSize.width * (1 - split), imageSize.height);
  context.clip();
}

/** Fill a mask with `fill` (opacity) of its color and draw its border `line` wide; 0 leaves either out. */
export function drawMask(context, stage, { path, scale, stretch, color, fill = 0, line = 0, halo = false }) {
  stage.viewport.apply(context, scale, stretch);
  if (fill > 0) {
    context.fillStyle = css(color, fill);
    context.fill(path);
  }
  const width = (line * stage.ratio * scale) / stage.viewport.scale;
  context.lineJoin = "round";
  if (halo) strokePath(context, path, "rgb(255 255 255 / 0.85)", width * 2.2);
  if (line > 0) strokePath(context, path, css(color), width);
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

/** Only what `paths` enclose of the image, before the ground that `look` says. */
export function drawCutout(context, stage, { bitmap, blurred, imageSize, paths, scale, look }) {
  drawGround(context, stage, { blurred, imageSize, look });
  context.save();
  stage.viewport.apply(context, scale);
  context.clip(joined(paths));
  drawBitmap(context, stage, bitmap, imageSize);
  context.restore();
}

/** What lies behind a cut-out. */
export function drawGround(context, stage, { blurred, imageSize, look }) {
  const [x, y] = stage.viewport.toWindow(0, 0);
  const [width, height] = [imageSize.width, imageSize.height].map((side) => side * stage.viewport.scale);
  context.setTransform(1, 0, 0, 1, 0, 0);
  if (look.background === "blur") {
    context.imageSmoothingEnabled = true;
    context.drawImage(blurred(), x, y, width, height);
    return;
  }
  context.fillStyle = look.background === "color" ? look.color : checkered(context, stage.ratio);
  context.fillRect(x, y, width, height);
}

function checkered(context, ratio) {
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
export function blurredCopy(bitmap, imageSize) {
  const shrink = Math.min(1, BLUR_AT / Math.max(imageSize.width, imageSize.height));
  const width = Math.max(1, Math.round(imageSize.width * shrink));
  const height = Math.max(1, Math.round(imageSize.height * shrink));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const sigma = Math.max(width, height) / 70; // as the server's writer blurs
  const over = Math.ceil(3 * sigma); // drawn larger, so that the border does not fade
  context.filter = `blur(${sigma}px)`;
  context.drawImage(bitmap, -over, -over, width + 2 * over, height + 2 * over);
  return canvas;
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
export function drawLine(context, stage, points, { isClosed = false, color = "#fff", dash = [] } = {}) {
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
  context.strokeStyle = color;
  context.stroke();
  context.setLineDash([]);
}

export function drawBox(context, stage, [x1, y1, x2, y2], color = "#fff") {
  const corners = [
    [x1, y1],
    [x2, y1],
    [x2, y2],
    [x1, y2],
  ];
  drawLine(context, stage, corners, { isClosed: true, color, dash: [7, 5] });
}

/** What a click would make: filled faintly, with a dashed border that shows on every ground. */
export function drawPreview(context, stage, { path, scale, color }) {
  stage.viewport.apply(context, scale);
  const pixel = (stage.ratio * scale) / stage.viewport.scale;
  context.fillStyle = css(color, 0.22);
  context.fill(path);
  context.lineJoin = "round";
  strokePath(context, path, "rgb(0 0 0 / 0.65)", 3.5 * pixel);
  context.setLineDash([6 * pixel, 5 * pixel]);
  strokePath(context, path, "#fff", 2 * pixel);
  context.setLineDash([]);
}

/** Points to take hold of: [{point, isChosen, isLit}]. */
export function drawHandles(context, stage, handles) {
  context.setTransform(1, 0, 0, 1, 0, 0);
  for (const { point, isChosen, isLit } of handles) {
    const [x, y] = stage.viewport.toWindow(...point);
    const radius = (isChosen || isLit ? 6.5 : 4.5) * stage.ratio;
    disc(context, x, y, radius + 1.5 * stage.ratio, "rgb(0 0 0 / 0.75)");
    disc(context, x, y, radius, "#fff");
    if (isChosen) disc(context, x, y, radius - 2 * stage.ratio, "#2f55d4");
  }
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
