// Results that are not shown: the browser keeps them outside of what scripts hold, on disk where they are many.

/** A result, as its JSON; what is asked often is at hand. `content` is equal where a label file would say the same. */
export class StoredResult {
  asked;
  minScore;
  default_score;
  content;

  #blob;

  constructor(result) {
    this.asked = result.asked;
    this.minScore = result.minScore;
    this.default_score = result.default_score;
    this.content = digestOf(JSON.stringify(result.objects.map(({ row, class: name, rle }) => [row, name, rle.counts])));
    this.#blob = new Blob([JSON.stringify(result)], { type: "application/json" });
  }

  async read() {
    return JSON.parse(await this.#blob.text());
  }
}

/** 64 bits of a text, as text: FNV-1a from two beginnings (draft-eastlake-fnv). */
function digestOf(text) {
  let [one, other] = [0x811c9dc5, 0x050c5d1f];
  for (let place = 0; place < text.length; place += 1) {
    const unit = text.charCodeAt(place);
    one = Math.imul(one ^ unit, 0x01000193);
    other = Math.imul(other ^ unit, 0x01000193);
  }
  return `${one} ${other}`;
}
