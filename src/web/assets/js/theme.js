/** @typedef {"auto" | "light" | "dark"} Theme */

const KEY = "switchboard.theme";
/** @type {Theme[]} */
const ORDER = ["auto", "light", "dark"];

/** @returns {Theme} */
export function currentTheme() {
  const stored = localStorage.getItem(KEY);
  return stored === "light" || stored === "dark" ? stored : "auto";
}

/** @returns {Theme} the theme after the current one */
export function nextTheme() {
  return ORDER[(ORDER.indexOf(currentTheme()) + 1) % ORDER.length];
}

/** @param {Theme} theme */
export function setTheme(theme) {
  if (theme === "auto") {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(KEY, theme);
    document.documentElement.dataset.theme = theme;
  }
}
