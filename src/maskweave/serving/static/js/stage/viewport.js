// Where the image lies in its window, and how large.

const MAX_SCALE = 40; // device pixels per pixel of the image

/** All lengths are device pixels; `imageSize` {width, height} is in its own pixels. */
export class Viewport {
  scale = 1;
  x = 0;
  y = 0;
  isFitted = true; // follows the window's size until the user zooms

  #imageSize = { width: 1, height: 1 };
  #window = { width: 1, height: 1 };
  #margin = 0;

  show(imageSize) {
    this.#imageSize = imageSize;
    this.fit();
  }

  /** `window` {width, height}; `margin` all round a fitted image, and `bottom` besides, where the tools are. */
  resize(window, margin, bottom) {
    this.#window = { width: window.width, height: Math.max(1, window.height - bottom) };
    this.#margin = margin;
    if (this.isFitted) this.fit();
    else this.#keepInside();
  }

  fit() {
    this.isFitted = true;
    this.scale = this.#fittingScale();
    this.#keepInside();
  }

  /** Zoom by `factor` so that the point under (x, y) stays there, or comes to lie under (toX, toY). */
  zoom(factor, x = this.#window.width / 2, y = this.#window.height / 2, toX = x, toY = y) {
    const min = Math.min(this.#fittingScale(), 1);
    const scale = Math.min(MAX_SCALE, Math.max(min, this.scale * factor));
    this.x = toX - ((x - this.x) * scale) / this.scale;
    this.y = toY - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.isFitted = scale <= this.#fittingScale();
    this.#keepInside();
  }

  /** Let `box` [x1, y1, x2, y2] of the image fill half of the window. */
  zoomTo([x1, y1, x2, y2]) {
    const { width, height } = this.#window;
    const scale = 0.5 * Math.min(width / Math.max(1, x2 - x1), height / Math.max(1, y2 - y1));
    this.scale = Math.min(MAX_SCALE, Math.max(this.#fittingScale(), scale));
    this.isFitted = this.scale <= this.#fittingScale();
    this.moveTo([x1, y1, x2, y2]);
  }

  /** Bring the middle of `box` into the middle of the window. */
  moveTo([x1, y1, x2, y2]) {
    this.x = this.#window.width / 2 - ((x1 + x2) / 2) * this.scale;
    this.y = this.#window.height / 2 - ((y1 + y2) / 2) * this.scale;
    this.#keepInside();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.#keepInside();
  }

  /** From the window's coordinates to the image's. */
  toImage(x, y) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  /** From the image's coordinates to the window's. */
  toWindow(x, y) {
    return [x * this.scale + this.x, y * this.scale + this.y];
  }

  /** Let `context` draw in the image's pixels, or in those of the image scaled by `shown` and shown `stretch`ed. */
  apply(context, shown = 1, [across, down] = [1, 1]) {
    context.setTransform((this.scale * across) / shown, 0, 0, (this.scale * down) / shown, this.x, this.y);
  }

  #fittingScale() {
    const { width, height } = this.#window;
    const across = Math.max(1, width - 2 * this.#margin) / this.#imageSize.width;
    const down = Math.max(1, height - 2 * this.#margin) / this.#imageSize.height;
    return Math.min(across, down, MAX_SCALE);
  }

  #keepInside() {
    this.x = placed(this.x, this.#imageSize.width * this.scale, this.#window.width, this.#margin);
    this.y = placed(this.y, this.#imageSize.height * this.scale, this.#window.height, this.#margin);
  }
}

/** Centered where it is smaller than its window; else no gap is wider than the margin. */
function placed(start, length, room, margin) {
  if (length + 2 * margin <= room) return (room - length) / 2;
  return Math.min(margin, Math.max(room - margin - length, start));
}
