// Photos that come with the program, for who has none at hand.

import { find, make } from "../dom.js";
import { notify } from "../notify.js";
import { request } from "../server/request.js";

const SAMPLES = [
  { name: "cat", words: "A cat" },
  { name: "astronaut", words: "An astronaut" },
  { name: "coffee", words: "A cup of coffee" },
];

/** Offer them on the first page; `onOpen(file)` is called with the one that is chosen. */
export function offerSamples(onOpen) {
  const open = async (name) => {
    try {
      const { blob } = await request("GET", addressOf(name));
      onOpen(new File([blob], `${name}.webp`, { type: "image/webp" }));
    } catch (error) {
      notify(error.message, { kind: "error" });
    }
  };
  find("#samples").replaceChildren(
    ...SAMPLES.map(({ name, words }) =>
      make(
        "li",
        {},
        make("button", { class: "sample", type: "button", "aria-label": words, title: words, onclick: () => open(name) }, make("img", { class: "sample__image", src: addressOf(name), alt: "", loading: "lazy" })),
      ),
    ),
  );
}

function addressOf(name) {
  return `static/samples/${name}.webp`;
}
