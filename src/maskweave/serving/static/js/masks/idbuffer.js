// Which object lies under a point: an image of ids, painted from the largest object to the smallest.

/** An image of `width` x `height` ids; 0 is no object. */
export class IdBuffer {
  #rows;
  #ids = [0];

  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.#rows = new Uint16Array(width * height);
  }

  /** Forget all and paint `objects`, each {id, crop}; smaller ones come to lie on top. */
  paint(objects) {
    this.#rows.fill(0);
    this.#ids = [0];
    const largestFirst = [...objects].sort((one, other) => extent(other.crop) - extent(one.crop));
    for (const { id, crop } of largestFirst) {
      this.#ids.push(id);
      this.#paintCrop(crop, this.#ids.length - 1);
    }
  }

  /** The id at a pixel; 0 where there is none, also outside. */
  at(x, y) {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return 0;
    return this.#ids[this.#rows[row * this.width + column]];
  }

  #paintCrop({ x, y, width, height, data }, number) {
    const right = Math.min(width, this.width - x);
    for (let row = 0; row < Math.min(height, this.height - y); row += 1) {
      const from = row * width;
      const to = (row + y) * this.width + x;
      for (let column = 0; column < right; column += 1) {
        if (data[from + column]) this.#rows[to + column] = number;
      }
    }
  }
}

function extent({ data }) {
  let count = 0;
  for (const pixel of data) count += pixel;
  return count;
}
