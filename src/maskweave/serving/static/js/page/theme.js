// Light, dark, or as the system has it.

import { find } from "../dom.js";

const KEY = "maskweave.theme";
const NEXT = { system: "light", light: "dark", dark: "system" };
const WORDS = { system: "as the system has them", light: "light", dark: "dark" };

export function startTheme() {
  let theme = localStorage.getItem(KEY);
  if (!(theme in NEXT)) theme = "system";
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    find("#theme").setAttribute("aria-label", `Colors: ${WORDS[theme]}`);
    find("#theme").title = `Colors: ${WORDS[theme]} (T)`;
  };
  find("#theme").addEventListener("click", () => {
    theme = NEXT[theme];
    localStorage.setItem(KEY, theme);
    apply();
  });
  apply();
}
