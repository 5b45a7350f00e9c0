import { fill, h } from "../dom.js";
import { dialog } from "./dialog.js";

/** Asks before a message is gone for everyone. @param {() => void} onConfirmed */
export function confirmDeletion(onConfirmed) {
  const box = dialog("Delete for everyone?", "confirm-dialog");
  fill(box.body,
    h("p", {}, "The message is taken away from everybody. This cannot be undone."),
    h("div", { class: "dialog-actions" },
      h("button", { type: "button", class: "button quiet", onclick: box.close }, "Cancel"),
      h("button", {
        type: "button", class: "button danger", "data-testid": "confirm-delete", autofocus: true,
        onclick: () => {
          box.close();
          onConfirmed();
        },
      }, "Delete")));
  box.open();
}
