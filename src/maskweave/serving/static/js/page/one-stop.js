// A list or a toolbar as one stop of the Tab key; arrow keys, Home and End move within it.

/** Make one of all buttons in `root`, those that come and go included. */
export function oneStop(root) {
  let current = null; // where Tab leads
  const all = () => [...root.querySelectorAll("button")];
  const usable = () => all().filter((button) => !button.disabled && button.checkVisibility());
  const mark = () => {
    const some = usable();
    if (!some.includes(current)) current = some.find((button) => button.ariaPressed === "true") ?? some[0] ?? null;
    for (const button of all()) button.tabIndex = button === current ? 0 : -1;
  };
  root.addEventListener("focusin", (event) => {
    current = event.target.closest("button") ?? current;
    mark();
  });
  root.addEventListener("keydown", (event) => {
    const some = usable();
    const at = some.indexOf(event.target.closest("button"));
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: some.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    some[Math.min(Math.max(to, 0), some.length - 1)].focus();
  });
  new MutationObserver(mark).observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled", "hidden"] });
  new ResizeObserver(mark).observe(root); // what an image's and a video's tools have in common is shown anew
  mark();
}
