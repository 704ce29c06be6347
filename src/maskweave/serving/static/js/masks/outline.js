// The borders of a bitmap as closed loops along the edges of its pixels: sharp at every zoom.

const RIGHT = 1;
const DOWN = 2;
const LEFT = 4;
const UP = 8;
const STEP = { [RIGHT]: [1, 0], [DOWN]: [0, 1], [LEFT]: [-1, 0], [UP]: [0, -1] };
// the object lies on the right hand; at a corner where two pixels touch, turning right stays with the same pixel
const TURNS = {
  [RIGHT]: [DOWN, RIGHT, UP],
  [DOWN]: [LEFT, DOWN, RIGHT],
  [LEFT]: [UP, LEFT, DOWN],
  [UP]: [RIGHT, UP, LEFT],
};

/**
 * Loops of corners [x, y, x, y, …] in the coordinates of the image that `crop` is cut from. Outer borders go
 * clockwise and holes the other way, so filling by the nonzero rule, also of several masks at once, is right.
 */
export function loopsOf(crop) {
  const edges = edgesOf(crop);
  const stride = crop.width + 1;
  const loops = [];
  for (let at = 0; at < edges.length; at += 1) {
    while (edges[at] & RIGHT) loops.push(follow(edges, at, stride, crop)); // every loop somewhere goes right
  }
  return loops;
}

/** The loops as one Path2D. */
export function pathOf(loops) {
  const path = new Path2D();
  for (const loop of loops) {
    path.moveTo(loop[0], loop[1]);
    for (let at = 2; at < loop.length; at += 2) path.lineTo(loop[at], loop[at + 1]);
    path.closePath();
  }
  return path;
}

/** For each corner of pixels the directions in which a border leaves it, as bits. */
function edgesOf({ width, height, data }) {
  const stride = width + 1;
  const edges = new Uint8Array(stride * (height + 1));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * width + x;
      if (!data[at]) continue;
      const corner = y * stride + x;
      if (y === 0 || !data[at - width]) edges[corner] |= RIGHT;
      if (x === width - 1 || !data[at + 1]) edges[corner + 1] |= DOWN;
      if (y === height - 1 || !data[at + width]) edges[corner + stride + 1] |= LEFT;
      if (x === 0 || !data[at - 1]) edges[corner + stride] |= UP;
    }
  }
  return edges;
}

function follow(edges, start, stride, crop) {
  const loop = [];
  let x = start % stride;
  let y = (start - x) / stride;
  let direction = RIGHT;
  let former = 0;
  for (;;) {
    const at = y * stride + x;
    if (former) {
      const isClosing = (turn) => at === start && turn === RIGHT;
      direction = TURNS[former].find((turn) => edges[at] & turn || isClosing(turn));
      if (isClosing(direction)) return loop;
    }
    edges[at] &= ~direction;
    if (direction !== former) loop.push(x + crop.x, y + crop.y);
    x += STEP[direction][0];
    y += STEP[direction][1];
    former = direction;
  }
}
