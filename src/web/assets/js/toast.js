import { h } from "./dom.js";

const VISIBLE_MS = 6_000;

/** A short notice that goes away by itself. @param {string} text */
export function toast(text) {
  const element = h("div", { class: "toast", "data-testid": "toast" }, text);
  document.getElementById("toasts")?.append(element);
  setTimeout(() => element.remove(), VISIBLE_MS);
}
