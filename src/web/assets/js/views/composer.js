// Where messages are written. Drafts are kept for each chat.
import { fill, h, icon, iconButton } from "../dom.js";
import { contentText } from "../format.js";

/** @typedef {import("../chat.js").Chat} Chat */

export class ComposerView {
  #rooms;
  /** @type {Chat | null} */
  #chat = null;
  /** @type {number | null} */
  #replyTo = null;
  #input = h("textarea", { rows: "1", placeholder: "Write a message", "aria-label": "Message", "data-testid": "composer", enterkeyhint: "send" });
  #send = h("button", { type: "submit", class: "send", "aria-label": "Send", "data-testid": "send", disabled: true }, icon("send"));
  #replying = h("div", { class: "replying", "data-testid": "replying", hidden: true });
  #onSent;

  /** @param {import("./shell.js").Rooms} rooms @param {() => void} onSent */
  constructor(rooms, onSent) {
    this.#rooms = rooms;
    this.#onSent = onSent;
    this.element = h("form", { class: "composer", "aria-label": "Write a message" },
      h("div", { class: "composer-inner" },
        this.#replying,
        h("div", { class: "composer-row" }, this.#input, this.#send)));
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("input", () => this.#changed());
    this.#input.addEventListener("keydown", (event) => this.#key(event));
  }

  focus() {
    this.#input.focus();
  }

  /** @param {Chat} chat */
  show(chat) {
    if (this.#chat !== chat) {
      this.#chat = chat;
      this.#input.value = this.#rooms.drafts.get(chat.id);
      this.#fit();
    }
    this.#showReply(chat);
  }

  /** @param {Chat} chat */
  #showReply(chat) {
    const seq = chat.replyTo;
    const chosen = seq !== null && seq !== this.#replyTo;
    this.#replyTo = seq;
    this.#replying.hidden = seq === null;
    if (seq === null) return;
    const entry = chat.find(seq);
    const name = entry === undefined ? "" : this.#rooms.state.nameOf(entry.sender_id);
    const cancel = () => {
      this.#rooms.actions.reply(chat, null);
      this.focus();
    };
    fill(this.#replying,
      icon("reply"),
      h("span", { class: "what" },
        h("span", { class: "name" }, `Replying to ${name}`),
        h("span", {}, contentText(entry?.content))),
      iconButton("Cancel reply", "close", { "data-testid": "cancel-reply", onclick: cancel }));
    if (chosen) this.focus();
  }

  #changed() {
    if (this.#chat === null) return;
    this.#rooms.drafts.set(this.#chat.id, this.#input.value);
    this.#fit();
  }

  /** As high as its text, up to the limit that the style sheet sets. */
  #fit() {
    this.#input.style.height = "auto";
    this.#input.style.height = `${this.#input.scrollHeight + 2}px`;
    this.#send.disabled = this.#input.value.trim() === "";
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // Enter also confirms a word in input methods; that must not send.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && this.#chat !== null && this.#chat.replyTo !== null) {
      event.stopPropagation();
      this.#rooms.actions.reply(this.#chat, null);
    }
  }

  #submit() {
    const text = this.#input.value.trim();
    if (this.#chat === null || text === "") return;
    if (!this.#rooms.actions.send(this.#chat, text)) return;
    this.#input.value = "";
    this.#changed();
    this.focus();
    this.#onSent();
  }
}
