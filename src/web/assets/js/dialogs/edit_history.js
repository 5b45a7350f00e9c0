// What a message said before.
import { fill, h } from "../dom.js";
import { contentText, dayAndTime } from "../format.js";
import { dialog } from "./dialog.js";

/** @param {import("../views/shell.js").Rooms} rooms @param {import("../chat.js").Chat} chat @param {number} seq */
export function openEditHistory({ client }, chat, seq) {
  const box = dialog("Edit history", "edit-history-dialog");
  const list = h("ol", { class: "versions", reversed: true, tabindex: "0", "aria-label": "Versions, newest first" }, h("li", {}, "One moment…"));
  fill(box.body, list);
  box.open();
  client.api.edits(chat.id, seq).then(
    (versions) => fill(list, versions.reverse().map((version, index) =>
      h("li", { "data-testid": "version" },
        h("time", { class: "quiet-text", datetime: new Date(version.sent_at).toISOString() },
          `${dayAndTime(version.sent_at)}${index === versions.length - 1 ? ", as first written" : ""}`),
        h("p", { dir: "auto" }, contentText(version.content))))),
    (error) => fill(list, h("li", { class: "form-error" }, error.message)),
  );
}
