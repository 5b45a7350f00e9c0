import { h, iconButton } from "../dom.js";

let lastId = 0;

/**
 * A modal with a title, Escape and a close button; the browser keeps the focus inside.
 * @param {string} title
 * @param {string} testId
 */
export function dialog(title, testId) {
  lastId += 1;
  const titleId = `dialog-${lastId}`;
  const body = h("div", { class: "dialog-body" });
  const element = h("dialog", { class: "dialog", "aria-labelledby": titleId, "data-testid": testId },
    h("div", { class: "dialog-header" },
      h("h2", { id: titleId }, title),
      iconButton("Close", "close", { "data-testid": "close-dialog", onclick: () => element.close() })),
    body);
  element.addEventListener("close", () => element.remove());
  element.addEventListener("click", (event) => {
    if (event.target === element) element.close();
  });
  return {
    body,
    close: () => element.close(),
    /** Keeps what is shown up to date while the dialog is there. @param {import("../state.js").State} state @param {import("../state.js").Topic[]} topics @param {() => void} show */
    follow(state, topics, show) {
      element.addEventListener("close", state.on(topics, show));
    },
    open() {
      document.body.append(element);
      element.showModal();
    },
  };
}
