// Who is in a chat; adding people, renaming, leaving.
import { fill, h } from "../dom.js";
import { chatAvatar } from "../views/avatar.js";
import { field, formError, onSubmit } from "../views/form.js";
import { dialog } from "./dialog.js";
import { memberItem } from "./member_item.js";

/** @typedef {import("../chat.js").Chat} Chat */
/** @typedef {import("../views/shell.js").Rooms} Rooms */

/** @param {Rooms} rooms @param {Chat} chat */
export function openChatInfo(rooms, chat) {
  const box = dialog("About this chat", "chat-info-dialog");
  const members = h("ul", { class: "members", "data-testid": "members", tabindex: "0", "aria-label": "Members" });
  const mayManage = chat.manages;
  const problem = formError();
  const refresh = async () => {
    await rooms.actions.sync.refresh(chat.id);
    show();
  };
  const show = () => fill(members, (chat.members ?? []).map((member) => memberItem(rooms, chat, member, attempt)));
  /** @param {() => Promise<void>} change */
  const attempt = async (change) => {
    problem.hidden = true;
    try {
      await change();
    } catch (error) {
      problem.textContent = /** @type {Error} */ (error).message;
      problem.hidden = false;
    }
    show();
  };
  fill(box.body,
    h("div", { class: "member" }, chatAvatar(chat), h("div", { class: "names" },
      h("span", {}, chat.title),
      h("span", { class: "username" }, { direct: "Direct chat", group: "Group", channel: "Channel" }[chat.kind]))),
    mayManage ? renameForm(rooms, chat) : null,
    mayManage ? addForm(rooms, chat, refresh) : null,
    h("h3", { class: "section-title" }, "Members"),
    problem,
    members,
    chat.kind === "direct" ? null : leaveButton(rooms, chat, box.close));
  void refresh();
  box.open();
}

/** @param {Rooms} rooms @param {Chat} chat */
function renameForm({ actions }, chat) {
  const name = field({ name: "name", label: "Name", attributes: { maxlength: 100, value: chat.name ?? "", "data-testid": "rename" } });
  return smallForm(name, "Save", "save-name", async () => {
    await actions.rename(chat, name.input.value.trim());
  });
}

/** @param {Rooms} rooms @param {Chat} chat @param {() => Promise<void>} refresh */
function addForm({ actions }, chat, refresh) {
  const username = field({
    name: "username", label: "Add a person",
    attributes: { placeholder: "Username", autocapitalize: "none", autocomplete: "off", "data-testid": "person" },
  });
  return smallForm(username, "Add", "add-member", async () => {
    await actions.addMember(chat, username.input.value);
    username.input.value = "";
    await refresh();
  });
}

/** One field and its button in a row. @param {ReturnType<typeof field>} one @param {string} label @param {string} testId @param {() => Promise<void>} submit */
function smallForm(one, label, testId, submit) {
  const general = formError();
  const button = h("button", { type: "submit", class: "button quiet", "data-testid": testId }, label);
  const inline = h("div", { class: "inline-form" });
  one.input.replaceWith(inline);
  inline.append(one.input, button);
  const form = h("form", { novalidate: true }, one.element, general);
  onSubmit(form, { button, general, fields: [one], submit });
  return form;
}

/** Leaving asks once more: it cannot be undone from here. @param {Rooms} rooms @param {Chat} chat @param {() => void} close */
function leaveButton({ actions }, chat, close) {
  const button = h("button", { type: "button", class: "button danger", "data-testid": "leave" }, "Leave");
  let asked = false;
  button.addEventListener("click", async () => {
    if (!asked) {
      asked = true;
      button.textContent = `Really leave ${chat.title}?`;
      return;
    }
    button.disabled = true;
    try {
      await actions.leave(chat);
      close();
    } catch (error) {
      button.disabled = false;
      button.textContent = /** @type {Error} */ (error).message;
    }
  });
  return button;
}
