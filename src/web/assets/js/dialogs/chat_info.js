// What a chat is, who is in it, and what its owners and admins may do about both.
import { fill, h } from "../dom.js";
import { durationText } from "../format.js";
import { chatAvatar } from "../views/avatar.js";
import { field, formError, onSubmit } from "../views/form.js";
import { linked } from "../views/rich_text.js";
import { bansSection, invitesSection } from "./admission.js";
import { describeForm, settingsSection } from "./chat_settings.js";
import { dialog } from "./dialog.js";
import { memberItem } from "./member_item.js";

/** @typedef {import("../chat.js").Chat} Chat */
/** @typedef {import("../views/shell.js").Rooms} Rooms */

/** @param {Rooms} rooms @param {Chat} chat */
export function openChatInfo(rooms, chat) {
  const box = dialog("About this chat", "chat-info-dialog");
  const about = h("div", { class: "about-chat" });
  const members = h("ul", { class: "members", "data-testid": "members", tabindex: "0", "aria-label": "Members" });
  const problem = formError();
  const bans = chat.manages && chat.posting !== undefined ? bansSection(rooms, chat) : null;
  /** Refused before there was anything to see is nothing to be seen. @param {() => Promise<void>} change */
  const attempt = async (change) => {
    problem.hidden = true;
    try {
      await change();
    } catch (error) {
      problem.textContent = /** @type {Error} */ (error).message;
      problem.hidden = false;
      shown = "";
    }
    show();
    await bans?.read();
  };
  const refresh = async () => {
    await rooms.actions.sync.refresh(chat.id);
    show();
  };
  let shown = "";
  const show = () => {
    showAbout(about, chat);
    // Built anew only for news of them: a question that was asked must stay.
    const facts = JSON.stringify([chat.role, chat.members]);
    if (facts === shown) return;
    shown = facts;
    fill(members, (chat.members ?? []).map((member) => memberItem(rooms, chat, member, attempt)));
  };
  const offersSettings = chat.posting !== undefined;
  fill(box.body,
    about,
    chat.manages ? h("details", { class: "fold" },
      h("summary", { "data-testid": "edit-chat" }, "Name and description"),
      offersSettings ? describeForm(rooms, chat) : renameForm(rooms, chat)) : null,
    offersSettings ? settingsSection(rooms, chat, attempt) : null,
    chat.manages && offersSettings ? invitesSection(rooms, chat) : null,
    chat.manages ? addForm(rooms, chat, refresh) : null,
    h("h3", { class: "section-title" }, "Members"),
    problem,
    members,
    bans?.element,
    chat.kind === "direct" ? null : leaveButton(rooms, chat, box.close));
  show();
  box.follow(rooms.state, ["open"], show);
  void refresh();
  box.open();
}

/** @param {HTMLElement} parent @param {Chat} chat */
function showAbout(parent, chat) {
  const kind = { direct: "Direct chat", group: "Group", channel: "Channel" }[chat.kind];
  const facts = [
    kind,
    chat.kind === "direct" ? chat.peer?.status_text : undefined,
    chat.disappearAfterMs === undefined ? undefined : `messages disappear after ${durationText(chat.disappearAfterMs)}`,
  ];
  fill(parent,
    h("div", { class: "member" }, chatAvatar(chat), h("div", { class: "names" },
      h("span", {}, chat.title),
      h("span", { class: "username" }, facts.filter(Boolean).join(", ")))),
    chat.description ? h("p", { class: "description", dir: "auto", "data-testid": "description" }, ...linked(chat.description)) : null,
    chat.photo ? h("a", { class: "quiet-text", href: chat.photo, target: "_blank", rel: "noopener noreferrer nofollow", "data-testid": "photo-link" }, "Open the photo") : null);
}

/** @param {Rooms} rooms @param {Chat} chat */
function renameForm({ actions }, chat) {
  const name = field({ name: "name", label: "Name", attributes: { maxlength: 100, value: chat.name ?? "", "data-testid": "rename" } });
  return smallForm(name, "Save", "save-name", () => actions.change(chat, { name: name.input.value.trim() }));
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
