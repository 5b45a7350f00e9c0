// A menu of things to do, beside what it is about.
import { h, icon } from "../dom.js";
import { openPopup } from "./popup.js";

/** @typedef {{ label: string, icon: string, testId: string, run: () => void, danger?: boolean, about?: string }} Choice */

/**
 * @param {{ label: string, testId: string, anchor: DOMRect, origin: () => HTMLElement | null, atEnd?: boolean,
 *   choices: (Choice | false | null)[] }} parts
 */
export function openChoices({ choices, ...place }) {
  const offered = /** @type {Choice[]} */ (choices.filter(Boolean));
  if (offered.length === 0) return;
  const content = h("div", { class: "choices" }, offered.map((choice) =>
    h("button", {
      type: "button", class: choice.danger ? "choice danger" : "choice", "data-testid": choice.testId,
      onclick: () => {
        popup.close();
        choice.run();
      },
    }, icon(choice.icon), h("span", { class: "label" }, choice.label), choice.about ? h("span", { class: "about" }, choice.about) : null)));
  const popup = openPopup({ ...place, content });
}
