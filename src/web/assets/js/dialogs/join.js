// Where an invite link leads, and joining.
import { fill, h } from "../dom.js";
import { avatar, withPhoto } from "../views/avatar.js";
import { linked } from "../views/rich_text.js";
import { dialog } from "./dialog.js";

/** @param {import("../views/shell.js").Rooms} rooms @param {string} token */
export function openJoin({ client, actions }, token) {
  const box = dialog("Invitation", "join-dialog");
  fill(box.body, h("p", { class: "quiet-text" }, "One moment…"));
  box.open();
  /** @param {unknown} error */
  const refuse = (error) => {
    const gone = /** @type {any} */ (error).status === 404;
    const text = gone ? "This invite link does not work. It may have expired or been taken back; ask for a new one." : /** @type {Error} */ (error).message;
    fill(box.body, h("p", { class: "form-error", role: "alert", "data-testid": "join-refused" }, text));
  };
  client.api.invite(token).then((preview) => {
    const name = preview.name ?? "A conversation";
    const kind = preview.kind === "channel" ? "Channel" : "Group";
    const button = h("button", { type: "button", class: "button primary", "data-testid": "join", autofocus: true }, preview.is_member ? "Open" : "Join");
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        if (preview.is_member) location.hash = preview.conversation_id;
        else await actions.join(token);
        box.close();
      } catch (error) {
        refuse(error);
      }
    });
    fill(box.body,
      h("div", { class: "member" }, withPhoto(avatar(preview.conversation_id, name, { group: true }), preview.photo),
        h("div", { class: "names" }, h("span", { "data-testid": "join-name" }, name),
          h("span", { class: "username" }, `${kind}, ${preview.member_count} ${preview.member_count === 1 ? "member" : "members"}`))),
      preview.description ? h("p", { class: "description", dir: "auto" }, ...linked(preview.description)) : null,
      h("div", { class: "dialog-actions" }, h("button", { type: "button", class: "button quiet", onclick: box.close }, "Not now"), button));
    button.focus();
  }, refuse);
}
