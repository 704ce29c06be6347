// Making and finding elements.

/** The one element that `selector` names. */
export function find(selector, root = document) {
  return root.querySelector(selector);
}

/**
 * A new element: `make("button", {class: "row", text: "cat", "aria-pressed": "true", onclick: …}, child, …)`.
 * A value of true writes the bare attribute; false, null and undefined leave it out.
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** One of the page's own icons, hidden from screen readers. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Whether keys that are pressed now are meant for a field of text or a list of choices. */
export function isTyping(target) {
  const fields = "input:not([type=range], [type=checkbox], [type=radio], [type=color]), textarea, select";
  return target instanceof Element && target.matches(fields);
}
