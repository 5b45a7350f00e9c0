// Where messages are written, and written anew. Drafts are kept for each chat.
import { fill, h, icon, iconButton } from "../dom.js";
import { openScheduledList } from "../dialogs/scheduled.js";
import { contentText, durationText } from "../format.js";
import { openComposerMenu } from "./composer_menu.js";
import { mentionBox } from "./mention_box.js";

/** @typedef {import("../chat.js").Chat} Chat */

export class ComposerView {
  #rooms;
  /** @type {Chat | null} */
  #chat = null;
  /** @type {number | null} */
  #replyTo = null;
  /** @type {number | null} */
  #editing = null;
  #input = h("textarea", { rows: "1", placeholder: "Write a message", "aria-label": "Message", "data-testid": "composer", enterkeyhint: "send" });
  #send = h("button", { type: "submit", class: "send", "aria-label": "Send", "data-testid": "send", disabled: true }, icon("send"));
  #about = h("div", { class: "replying", "data-testid": "replying", hidden: true });
  #more = iconButton("Send later or for a while", "plus", { class: "composer-more", "data-testid": "composer-more", onclick: () => this.#openMenu() });
  #notes = h("div", { class: "composer-notes" });
  #refused = h("div", { class: "refused", "data-testid": "refused", hidden: true });
  #row;
  #names;
  #handlers;

  /**
   * @param {import("./shell.js").Rooms} rooms
   * @param {{ onSent: () => void, onEdited: (seq: number) => void }} handlers
   */
  constructor(rooms, handlers) {
    this.#rooms = rooms;
    this.#handlers = handlers;
    this.#names = mentionBox(this.#input, rooms, () => this.#chat);
    this.#row = h("div", { class: "composer-row" }, this.#more, this.#input, this.#send);
    this.element = h("form", { class: "composer", "aria-label": "Write a message" },
      h("div", { class: "composer-inner" },
        this.#names.element,
        this.#notes,
        this.#about,
        this.#refused,
        this.#row));
    rooms.drafts.onRemote = (id) => this.#chat?.id === id && this.#chat.editing === null && this.#fillIn(rooms.drafts.get(id));
    rooms.state.on(["own"], () => this.#chat && this.#showAround(this.#chat));
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("input", () => this.#typed());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#input.addEventListener("blur", () => this.#chat && rooms.client.typing(this.#chat.id, "stopped"));
  }

  focus() {
    this.#input.focus();
  }

  /** @param {Chat} chat */
  show(chat) {
    const moved = this.#chat !== chat;
    if (moved && this.#chat !== null) {
      this.#rooms.client.typing(this.#chat.id, "stopped");
      this.#chat.editing = null;
    }
    const editingBefore = moved ? null : this.#editing;
    this.#chat = chat;
    this.#editing = chat.editing;
    if (chat.editing !== null && chat.editing !== editingBefore) {
      this.#fillIn(contentText(chat.contentOf(chat.known(chat.editing))));
      this.focus();
    } else if (moved || (chat.editing === null && editingBefore !== null)) {
      // The draft waited while something else was written anew.
      this.#fillIn(this.#rooms.drafts.get(chat.id));
    }
    this.#showAbout(chat);
    this.#showAround(chat);
  }

  /** Whether one may write here, what waits, and what becomes of what is written. @param {Chat} chat */
  #showAround(chat) {
    const { state, actions } = this.#rooms;
    const blocked = state.blocks(chat);
    const mayWrite = chat.writable && !blocked;
    this.#row.hidden = !mayWrite;
    this.#refused.hidden = mayWrite;
    const unblock = () => chat.peer && void actions.own.block(chat.peer.user_id, false);
    fill(this.#refused, blocked
      ? [`You blocked ${chat.title}. `, h("button", { type: "button", class: "link-button", "data-testid": "unblock", onclick: unblock }, "Unblock")]
      : "Only owners and admins can write here.");
    this.#more.hidden = state.scheduled === null && chat.posting === undefined;
    const waiting = actions.own.scheduledIn(chat.id).length;
    fill(this.#notes,
      waiting > 0 && h("button", { type: "button", class: "note", "data-testid": "waiting", onclick: () => openScheduledList(this.#rooms, chat) },
        icon("clock"), waiting === 1 ? "1 scheduled message" : `${waiting} scheduled messages`),
      mayWrite && chat.expiresAfterMs !== null && h("button", { type: "button", class: "note", "data-testid": "timer-note", onclick: () => this.#openMenu() },
        icon("timer"), `Your next messages disappear after ${durationText(chat.expiresAfterMs)}`));
  }

  #openMenu() {
    const chat = this.#chat;
    if (chat === null) return;
    openComposerMenu(this.#rooms, chat, {
      anchor: this.#more.getBoundingClientRect(), origin: () => this.#more, text: this.#input.value.trim(),
      onScheduled: () => {
        chat.replyTo = null;
        this.#rooms.drafts.set(chat, "");
        this.#fillIn("");
        this.#rooms.state.changed("open");
      },
    });
  }

  /** @param {string} text */
  #fillIn(text) {
    this.#input.value = text;
    this.#input.setSelectionRange(text.length, text.length);
    this.#fit();
  }

  /** What the text will answer, or take the place of. @param {Chat} chat */
  #showAbout(chat) {
    const seq = chat.editing ?? chat.replyTo;
    const chosen = chat.replyTo !== null && chat.replyTo !== this.#replyTo;
    this.#replyTo = chat.replyTo;
    this.#about.hidden = seq === null;
    this.#send.setAttribute("aria-label", chat.editing === null ? "Send" : "Save");
    if (seq === null) return;
    const entry = chat.known(seq);
    const name = entry === undefined ? "" : this.#rooms.state.nameOf(entry.sender_id);
    const [title, label, testId] = chat.editing === null
      ? [`Replying to ${name}`, "Cancel reply", "cancel-reply"]
      : ["Editing your message", "Cancel editing", "cancel-edit"];
    fill(this.#about,
      icon(chat.editing === null ? "reply" : "edit"),
      h("span", { class: "what" },
        h("span", { class: "name" }, title),
        h("span", {}, contentText(chat.contentOf(entry)))),
      iconButton(label, "close", { "data-testid": testId, onclick: () => this.#cancel(chat) }));
    if (chosen) this.focus();
  }

  /** @param {Chat} chat */
  #cancel(chat) {
    const { actions } = this.#rooms;
    if (chat.editing === null) actions.reply(chat, null);
    else actions.messages.startEdit(chat, null);
    this.focus();
  }

  #typed() {
    const chat = this.#chat;
    if (chat === null) return;
    this.#fit();
    if (chat.editing !== null) return;
    this.#rooms.drafts.set(chat, this.#input.value);
    this.#rooms.client.typing(chat.id, this.#input.value.trim() === "" ? "stopped" : "typing");
  }

  /** As high as its text, up to the limit that the style sheet sets. */
  #fit() {
    this.#input.style.height = "auto";
    this.#input.style.height = `${this.#input.scrollHeight + 2}px`;
    this.#send.disabled = this.#input.value.trim() === "";
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const chat = this.#chat;
    if (chat === null || this.#names.key(event)) return;
    // Enter also confirms a word in input methods; that must not send.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && (chat.replyTo !== null || chat.editing !== null)) {
      event.stopPropagation();
      this.#cancel(chat);
    } else if (event.key === "ArrowUp" && this.#input.value === "" && chat.editing === null) {
      const seq = this.#rooms.actions.messages.lastEditable(chat);
      if (seq === undefined) return;
      event.preventDefault();
      this.#rooms.actions.messages.startEdit(chat, seq);
    }
  }

  #submit() {
    const text = this.#input.value.trim();
    const chat = this.#chat;
    if (chat === null || text === "") return;
    if (chat.editing !== null) {
      const seq = chat.editing;
      this.#rooms.actions.messages.edit(chat, seq, text);
      this.show(chat);
      this.#handlers.onEdited(seq);
      return;
    }
    if (!this.#rooms.actions.send(chat, text)) return;
    this.#rooms.drafts.sent(chat);
    this.#fillIn("");
    this.focus();
    this.#handlers.onSent();
  }
}
