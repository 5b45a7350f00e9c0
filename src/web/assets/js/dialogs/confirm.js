import { fill, h } from "../dom.js";
import { dialog } from "./dialog.js";

/**
 * Asks for whom a message is to be deleted.
 * @param {{ forAll: (() => void) | null, forMe: (() => void) | null }} ways null: not possible
 */
export function confirmDeletion({ forAll, forMe }) {
  const title = forAll === null ? "Delete for me?" : forMe === null ? "Delete for everyone?" : "Delete this message?";
  const about = [
    forAll && "For everyone: the message is taken away from everybody.",
    forMe && "For me: only you do not see it any more, on all your devices.",
    "This cannot be undone.",
  ];
  const both = forAll !== null && forMe !== null;
  ask(title, about.filter(Boolean).join(" "), [
    ...(forMe ? [{ label: both ? "For me" : "Delete", testId: "confirm-hide", run: forMe, danger: !both }] : []),
    ...(forAll ? [{ label: both ? "For everyone" : "Delete", testId: "confirm-delete", run: forAll, danger: true }] : []),
  ]);
}

/** @param {string} title @param {string} about @param {{ label: string, testId: string, run: () => void, danger?: boolean }[]} answers */
export function ask(title, about, answers) {
  const box = dialog(title, "confirm-dialog");
  fill(box.body,
    h("p", {}, about),
    h("div", { class: "dialog-actions" },
      h("button", { type: "button", class: "button quiet", onclick: box.close }, "Cancel"),
      answers.map(({ label, testId, run, danger }, index) => h("button", {
        type: "button", class: danger ? "button danger" : "button quiet", "data-testid": testId, autofocus: index === answers.length - 1,
        onclick: () => {
          box.close();
          run();
        },
      }, label))));
  box.open();
}
