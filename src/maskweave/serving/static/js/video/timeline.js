// When each object is seen: a row a track, on the scale of the player's slider; those in sight come first.

import { find, make } from "../dom.js";
import { css } from "../masks/palette.js";
import { VirtualList } from "../page/virtual-list.js";
import { moment } from "../words.js";

const BETWEEN_ORDERS = 300; // milliseconds: rows do not jump with every frame

/** Shows the tracks it is bound to; a click chooses one. */
export class Timeline {
  #root = find("#timeline");
  #player = find("#player");
  #list = new VirtualList(find("#timeline"), {
    make: (id) => this.#newRow(id),
    update: (row, track) => this.#updateRow(row, track),
  });
  #tracks = null;
  #durationOf = null; // seconds that the lanes are long; more while a job goes on
  #colorOf = null;
  #onChoose = null;
  #now = find(".player__now");
  #duration = 0;
  #time = 0;
  #active = ""; // ids of those in sight, as they were ordered last
  #orderedAt = -Infinity;
  #unbind = new AbortController();

  constructor() {
    new ResizeObserver(() => this.#measureGutter()).observe(this.#root);
    this.#root.addEventListener("pointerleave", () => this.#tracks?.hover(0));
  }

  bind(tracks, { durationOf, colorOf, onChoose }) {
    this.clear();
    this.#tracks = tracks;
    this.#durationOf = durationOf;
    this.#colorOf = colorOf;
    this.#onChoose = onChoose;
    const options = { signal: this.#unbind.signal };
    for (const event of ["items", "filter"]) tracks.addEventListener(event, () => this.#order(), options);
    tracks.addEventListener("hover", () => this.#list.refresh(), options);
    tracks.addEventListener("selection", () => this.#showSelection(), options);
    this.#order();
  }

  clear() {
    this.#unbind.abort();
    this.#unbind = new AbortController();
    this.#tracks = null;
    this.#list.show([]);
    this.#root.hidden = true;
  }

  /** Show the rows anew, as when colors are others. */
  refresh() {
    if (this.#tracks) this.#list.refresh();
  }

  /** Put the mark of the present at `time`, and those that are seen then to the top. */
  show(time) {
    this.#time = time;
    const duration = this.#durationOf?.() ?? 1;
    if (duration !== this.#duration) this.#player.style.setProperty("--duration", String(duration)); // which all rows depend on
    this.#duration = duration;
    this.#now.style.setProperty("--now", String(Math.min(1, time / duration)));
    if (!this.#tracks || this.#list.isInUse || performance.now() - this.#orderedAt < BETWEEN_ORDERS) return;
    if (this.#activeIds() !== this.#active) this.#order({ isFollowing: true });
  }

  #activeIds() {
    const active = this.#tracks.shown.filter((track) => isActive(track, this.#time));
    return active.map((track) => track.id).join(" ");
  }

  #order({ isFollowing = false } = {}) {
    this.#orderedAt = performance.now();
    this.#active = this.#activeIds();
    const rankOf = (track) => {
      if (isActive(track, this.#time)) return 0;
      return track.stretches[0]?.[0] > this.#time ? 1 : 2; // what is to come, then what is over
    };
    const ranked = this.#tracks.shown.map((track) => [rankOf(track), track.first, track]);
    ranked.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
    this.#root.hidden = !ranked.length;
    if (isFollowing) this.#root.scrollTop = 0;
    this.#list.show(ranked.map(([, , track]) => track));
    this.#measureGutter();
  }

  #showSelection() {
    this.#list.refresh();
    const [track] = this.#tracks.selected;
    if (track && !this.#list.isInUse) this.#list.reveal(track.id);
  }

  /** The slider ends where the lanes do, beside the bar that scrolls them. */
  #measureGutter() {
    this.#player.style.setProperty("--gutter", `${this.#root.offsetWidth - this.#root.clientWidth}px`);
  }

  #newRow(id) {
    const button = make(
      "button",
      {
        class: "track",
        type: "button",
        onclick: () => this.#onChoose(this.#tracks.item(id)),
        onpointerenter: () => this.#tracks.hover(id),
        onfocus: () => this.#tracks.hover(id),
        onblur: () => this.#tracks?.hover(0),
      },
      make("span", { class: "track__name" }),
      make("span", { class: "track__lane" }),
    );
    return make("li", { class: "row" }, button);
  }

  #updateRow(row, track) {
    const button = row.firstElementChild;
    button.setAttribute("aria-pressed", String(this.#tracks.isSelected(track.id)));
    button.classList.toggle("track--lit", this.#tracks.hovered === track.id);
    button.style.setProperty("--color", css(this.#colorOf(track)));
    if (row.track === track) return;
    row.track = track; // what the row shows: bars are made anew for another state only
    const when = track.stretches.map(([start, end]) => `${moment(start)} to ${moment(end)}`).join(", ");
    button.setAttribute("aria-label", `${track.class} ${track.id}, seen ${when}`);
    button.firstElementChild.textContent = `${track.class} ${track.id}`;
    button.lastElementChild.replaceChildren(...track.stretches.map((stretch) => this.#bar(stretch)));
  }

  #bar([start, end]) {
    const bar = make("span", { class: "track__bar" });
    bar.style.setProperty("--from", String(start));
    bar.style.setProperty("--long", String(end - start));
    return bar;
  }
}

function isActive({ stretches }, time) {
  return stretches.some(([start, end]) => start <= time && time < end);
}
