// The messages of the open chat: scrolling, older pages, and staying where the reader is.
import { h } from "../dom.js";
import { remainingChangesIn } from "../format.js";
import { patchChildren } from "../patch.js";
import { timelineRows } from "../timeline_items.js";
import { LogWindow } from "../window.js";
import { rowElement, rowSignature } from "./message.js";
import { followMessages } from "./message_tools.js";

/** @typedef {import("../chat.js").Chat} Chat */

/** Closer than this to an end counts as being there. */
const EDGE_PX = 48;
/** Closer than this to the top fetches what is older, before the reader gets there. */
const PREFETCH_PX = 600;

export class TimelineView {
  #rooms;
  /** @type {Chat | null} */
  #chat = null;
  #window = new LogWindow();
  /** @type {Map<string, { element: HTMLElement, signature: string }>} */
  #nodes = new Map();
  #list = h("ol", { class: "timeline-list", "aria-label": "Messages" });
  /** True while the newest message is in view; new ones then scroll in. */
  #atBottom = true;
  /** A chat just opened goes to its first unread message once that is there. */
  #settling = false;
  #onPlace;
  #tools;
  /** @type {any} */
  #ticking;

  /** @param {import("./shell.js").Rooms} rooms @param {() => void} onPlace the reader moved to or from the end */
  constructor(rooms, onPlace) {
    this.#rooms = rooms;
    this.#onPlace = onPlace;
    this.element = h("div", { class: "timeline", tabindex: "0", role: "region", "aria-label": "Conversation", "data-testid": "timeline" }, this.#list);
    this.element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.#tools = followMessages(this.element, rooms, () => this.#chat, (seq) => void this.goTo(seq));
    // A phone's keyboard takes half the height: the newest message stays in view.
    new ResizeObserver(() => this.#atBottom && this.#toBottom()).observe(this.element);
  }

  get atBottom() {
    return this.#atBottom && this.#window.following;
  }

  /** @param {Chat} chat */
  show(chat) {
    if (this.#chat === chat) return;
    this.#chat = chat;
    this.#window = new LogWindow();
    this.#nodes.clear();
    this.#list.replaceChildren();
    this.#atBottom = true;
    this.#settling = chat.unreadAfter !== null;
    this.update();
  }

  update() {
    const chat = this.#chat;
    const me = this.#rooms.state.me;
    if (chat === null || me === null) return;
    if (this.#atBottom) this.#window.trim(chat);
    const anchor = this.#atBottom ? null : this.#anchor();
    const { from, to } = this.#window.range(chat);
    const rows = timelineRows(chat, from, to, me.user_id).map((row) => ({
      ...row,
      signature: rowSignature(this.#rooms, chat, row),
    }));
    patchChildren(this.#list, this.#nodes, rows, (row) =>
      rowElement(this.#rooms, chat, row, (seq) => void this.goTo(seq)));
    if (this.#atBottom) this.#toBottom();
    else if (anchor !== null) this.element.scrollTop += anchor.element.offsetTop - anchor.offsetTop;
    if (this.#settling && !chat.loading) this.#settle();
    this.#fillUp();
    this.#countDown(rows);
  }

  /** Comes back when the time that a message has left reads otherwise. @param {import("../timeline_items.js").Row[]} rows */
  #countDown(rows) {
    clearTimeout(this.#ticking);
    const due = rows.flatMap((row) => (row.type === "message" && row.expiresAt !== undefined ? row.expiresAt : []));
    if (due.length === 0) return;
    const waitMs = Math.min(...due.map((at) => remainingChangesIn(at - Date.now())));
    this.#ticking = setTimeout(() => this.#rooms.state.changed("log", "chats"), waitMs);
  }

  /** @param {"auto" | "smooth"} [behavior] */
  jumpToLatest(behavior = "auto") {
    const wasFollowing = this.#window.following;
    this.#window.reset();
    this.#atBottom = true;
    this.update();
    if (behavior === "smooth" && wasFollowing) this.#list.lastElementChild?.scrollIntoView({ block: "end" });
    this.#onPlace();
  }

  focusLast() {
    const last = this.#messages().at(-1);
    last?.focus();
  }

  #toBottom() {
    this.element.scrollTop = this.element.scrollHeight;
  }

  /** The first row in view, which must not move when rows above it change. */
  #anchor() {
    const top = this.element.scrollTop;
    for (const { element } of this.#nodes.values()) {
      if (element.offsetTop + element.offsetHeight > top && element.classList.contains("message")) {
        return { element, offsetTop: element.offsetTop };
      }
    }
    return null;
  }

  /** Goes to the line above the first unread message, when there is one to be seen. */
  #settle() {
    this.#settling = false;
    const line = /** @type {HTMLElement | null} */ (this.#list.querySelector(".unread-line"));
    if (line === null) return;
    this.element.scrollTop = line.offsetTop - this.element.clientHeight / 4;
    this.#measure();
  }

  #scrolled() {
    this.#measure();
    this.#fillUp();
    const chat = this.#chat;
    const belowPx = this.element.scrollHeight - this.element.scrollTop - this.element.clientHeight;
    if (chat !== null && !this.#window.following && belowPx < PREFETCH_PX) {
      this.#window.growDown(chat);
      this.#atBottom = false;
      this.update();
    }
  }

  #measure() {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    const atBottom = scrollHeight - scrollTop - clientHeight < EDGE_PX;
    if (atBottom === this.#atBottom) return;
    this.#atBottom = atBottom;
    this.#onPlace();
  }

  /** Near the top: more rows from memory, then from the server. */
  #fillUp() {
    const chat = this.#chat;
    if (chat === null || this.element.scrollTop > PREFETCH_PX) return;
    if (this.#window.range(chat).from > 0) {
      this.#window.growUp(chat);
      this.update();
    } else if (!chat.complete && !chat.loading && !chat.loadFailed && chat.heldFrom !== Infinity) {
      void this.#older(chat);
    }
  }

  /** @param {Chat} chat */
  async #older(chat) {
    const came = await this.#rooms.actions.loadOlder(chat);
    if (came && this.#chat === chat) {
      this.#window.growUp(chat);
      this.update();
    }
  }

  /** Shows one message, fetching pages until it is there. @param {number} seq @returns {Promise<void>} */
  async goTo(seq) {
    const chat = this.#chat;
    if (chat === null) return;
    const entry = await this.#rooms.actions.reach(chat, seq);
    if (this.#chat !== chat) return;
    if (entry === undefined) {
      this.#rooms.actions.toast("That message is not to be found.");
      return;
    }
    if (entry.thread != null && chat.threads.isKnown) {
      // It stands in its thread; here is the message that the thread is about.
      this.#rooms.actions.threads.open(chat, entry.thread);
      return this.goTo(entry.thread);
    }
    this.#settling = false;
    this.#window.showAround(chat, seq);
    this.#atBottom = false;
    this.update();
    const element = this.#nodes.get(entry.message_id)?.element;
    element?.scrollIntoView({ block: "center" });
    element?.focus({ preventScroll: true });
    element?.classList.add("flash");
    setTimeout(() => element?.classList.remove("flash"), 1_500);
    this.#measure();
    this.#onPlace();
    return undefined;
  }

  /** @param {number} seq of a message on the page */
  focusOn(seq) {
    const entry = this.#chat?.find(seq);
    if (entry !== undefined) this.#nodes.get(entry.message_id)?.element.focus({ preventScroll: true });
  }

  #messages() {
    return /** @type {HTMLElement[]} */ ([...this.#list.querySelectorAll(".message")]);
  }

  /** Arrow keys walk through the messages; letters and Enter act on one. @param {KeyboardEvent} event */
  #key(event) {
    const messages = this.#messages();
    const current = messages.findIndex((message) => message === document.activeElement);
    if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      const step = event.key === "ArrowUp" ? -1 : 1;
      const next = current === -1 ? messages.at(-1) : messages[current + step];
      event.preventDefault();
      next?.focus();
      next?.scrollIntoView({ block: "nearest" });
    } else if (current !== -1 && !event.ctrlKey && !event.metaKey && !event.altKey) {
      if (this.#act(messages[current], event)) event.preventDefault();
    }
  }

  /** @param {HTMLElement} row @param {KeyboardEvent} event @returns {boolean} whether the key means something */
  #act(row, { key, shiftKey }) {
    const chat = this.#chat;
    const seq = Number(row.dataset.seq);
    if (chat === null || !(seq > 0) || row.dataset.deleted !== undefined) return false;
    const { messages } = this.#rooms.actions;
    if (key === "r") this.#rooms.actions.reply(chat, seq);
    else if (key === "t" && chat.threads.isKnown) this.#rooms.actions.threads.open(chat, seq);
    else if (key === "e" && chat.find(seq)?.sender_id === chat.myId) messages.startEdit(chat, seq);
    else if (key === "Enter" || key === "ContextMenu" || (key === "F10" && shiftKey)) this.#tools.open(chat, seq, row);
    else return false;
    return true;
  }
}
