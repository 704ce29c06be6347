"use strict";
(() => {
  const cards = [...document.querySelectorAll("figure")];
  const chips = [...document.querySelectorAll(".chip")];
  const search = document.querySelector("input");
  const rules = document.head.appendChild(document.createElement("style"));
  const shown = document.querySelector("#shown");
  const none = document.querySelector(".none");
  const dialog = document.querySelector("dialog");

  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  const press = (button, on) => button.setAttribute("aria-pressed", String(on));

  function update() {
    const hidden = new Set(chips.filter((chip) => !pressed(chip)).map((chip) => chip.dataset.k));
    rules.textContent = [...hidden].map((k) => `.k${k}{display:none}`).join("");
    const words = search.value.toLowerCase();
    let count = 0;
    for (const card of cards) {
      const classes = card.dataset.k.split(" ").filter(Boolean);
      const fits = !hidden.size || classes.some((k) => !hidden.has(k));
      card.hidden = !(fits && card.dataset.name.includes(words));
      count += !card.hidden;
    }
    shown.textContent = count.toLocaleString();
    none.hidden = count > 0;
  }

  for (const chip of chips) {
    chip.addEventListener("click", () => { press(chip, !pressed(chip)); update(); });
    chip.addEventListener("dblclick", () => { chips.forEach((each) => press(each, each === chip)); update(); });
  }
  document.querySelector("#all").addEventListener("click", () => {
    const on = !chips.every(pressed);
    chips.forEach((chip) => press(chip, on));
    update();
  });
  const masks = document.querySelector("#masks");
  masks.addEventListener("click", () => {
    press(masks, !pressed(masks));
    document.body.classList.toggle("bare", !pressed(masks));
  });
  search.addEventListener("input", update);

  document.querySelector(".grid").addEventListener("click", (event) => {
    const card = event.target.closest("figure > button")?.parentElement;
    if (!card) return;
    dialog.querySelector("strong").textContent = card.querySelector("strong").textContent;
    dialog.querySelector("div").replaceChildren(card.querySelector("svg").cloneNode(true));
    dialog.showModal();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  update();
})();
