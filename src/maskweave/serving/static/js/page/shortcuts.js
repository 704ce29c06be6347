// The keyboard: one table, for the keys and for the help that `?` shows.

import { find, isTyping, make } from "../dom.js";

const KEY = "maskweave.single-keys";

/**
 * @typedef {{keys: string[], words: string, group: string, run: (key: string) => void, shown?: string}} Shortcut
 * `keys` as KeyboardEvent.key says them, with "Ctrl+" and "Shift+" before; `shown`: how the help writes them.
 */

/** Let `shortcuts` work everywhere but in fields, and list them in the help. */
export function startShortcuts(shortcuts) {
  const singleKeys = find("#single-keys");
  singleKeys.checked = localStorage.getItem(KEY) !== "off";
  singleKeys.addEventListener("change", () => localStorage.setItem(KEY, singleKeys.checked ? "on" : "off"));
  const byKey = new Map(shortcuts.flatMap((each) => each.keys.map((key) => [key, each])));
  document.addEventListener("keydown", (event) => {
    const pressed = nameOf(event);
    const shortcut = byKey.get(pressed);
    if (!shortcut || event.defaultPrevented || isTyping(event.target) || !isMeant(event, pressed)) return;
    if (/^[a-z0-9?[\]+/.,-]$/i.test(pressed) && !singleKeys.checked && pressed !== "?") return;
    event.preventDefault();
    shortcut.run(pressed);
  });
  fillHelp(shortcuts);
  find("#open-help").addEventListener("click", showHelp);
  find("#close-help").addEventListener("click", () => find("#help").close());
}

export function showHelp() {
  if (!find("#help").open) find("#help").showModal();
}

/** Keys that a focused control or an open dialog needs are left to it. */
function isMeant(event, pressed) {
  if (document.querySelector("dialog[open]")) return false;
  const target = event.target;
  if (!(target instanceof Element)) return true;
  if (pressed === " " && target.matches("button, a, summary, input, [role=slider]")) return false;
  return !(pressed.startsWith("Arrow") && target.matches("input, [role=slider]"));
}

function nameOf(event) {
  const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const control = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  const isSign = event.key.length === 1 && event.key.toLowerCase() === event.key.toUpperCase();
  const shift = event.shiftKey && !isSign ? "Shift+" : ""; // "?" is a key of its own
  return event.altKey ? "" : `${control}${shift}${letter}`;
}

function fillHelp(shortcuts) {
  const groups = [...new Set(shortcuts.map((each) => each.group))];
  find("#shortcuts").replaceChildren(
    ...groups.map((group) => {
      const rows = shortcuts
        .filter((each) => each.group === group)
        .map((each) => make("div", { class: "shortcut" }, make("dt", {}, ...keyCaps(each)), make("dd", { text: each.words })));
      return make("section", {}, make("h3", { text: group }), make("dl", {}, ...rows));
    }),
  );
}

function keyCaps({ keys, shown }) {
  return (shown ?? keys[0]).split(" ").map((key) => make("kbd", { text: key.length === 1 ? key.toUpperCase() : key }));
}
