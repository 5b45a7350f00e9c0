// Beside the conversation: one thread with its own place to write, or the list of all threads.
import { fill, h, icon, iconButton, setText } from "../dom.js";
import { contentText, shortTime } from "../format.js";
import { patchChildren } from "../patch.js";
import { threadRows } from "../timeline_items.js";
import { mentionBox } from "./mention_box.js";
import { rowElement, rowSignature } from "./message.js";
import { followMessages } from "./message_tools.js";

/** @typedef {import("../chat.js").Chat} Chat */
/** @typedef {import("./shell.js").Rooms} Rooms */

const EDGE_PX = 48;

/** @param {Rooms} rooms @param {{ goTo: (seq: number) => void }} handlers */
export function threadPanel(rooms, { goTo }) {
  const { state, actions } = rooms;
  const title = h("h2", { tabindex: "-1" }, "Thread");
  const about = h("button", { type: "button", class: "thread-root", "data-testid": "thread-root" });
  const older = h("button", { type: "button", class: "link-button", "data-testid": "older-replies", hidden: true }, "Show earlier replies");
  const list = h("ol", { class: "timeline-list", "aria-label": "Replies" });
  const scroll = h("div", { class: "timeline thread-timeline", tabindex: "0", role: "region", "aria-label": "Thread", "data-testid": "thread-timeline" }, older, list);
  const input = h("textarea", { rows: "1", placeholder: "Reply in thread", "aria-label": "Reply in thread", "data-testid": "thread-composer", enterkeyhint: "send" });
  const send = h("button", { type: "submit", class: "send", "aria-label": "Send the reply", "data-testid": "thread-send", disabled: true }, icon("send"));
  const names = mentionBox(input, rooms, () => state.open);
  const form = h("form", { class: "composer", "aria-label": "Reply in thread" },
    h("div", { class: "composer-inner" }, names.element, h("div", { class: "composer-row" }, input, send)));
  const follow = h("button", { type: "button", class: "link-button", "data-testid": "follow-thread", hidden: true, onclick: () => {
    const chat = state.open;
    if (chat === null || shown === null) return;
    void actions.own.followThread(chat, shown.root, chat.threads.get(shown.root)?.following !== true);
  } });
  const element = h("aside", { class: "thread-panel", "aria-label": "Thread", "data-testid": "thread-panel", hidden: true },
    h("header", { class: "chat-header" }, h("div", { class: "titles" }, title), follow,
      iconButton("Close the thread", "close", { "data-testid": "close-thread", onclick: close })),
    about, scroll, form);
  const nodes = new Map();
  let shown = /** @type {import("../threads.js").OpenThread | null} */ (null);
  let atBottom = true;

  followMessages(scroll, rooms, () => state.open, goTo);
  about.addEventListener("click", () => shown && goTo(shown.root));
  older.addEventListener("click", () => state.open && void actions.threads.older(state.open));
  scroll.addEventListener("scroll", () => {
    atBottom = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < EDGE_PX;
    if (atBottom) seen();
  }, { passive: true });
  input.addEventListener("input", () => {
    fit();
    if (state.open !== null) rooms.client.typing(state.open.id, input.value.trim() === "" ? "stopped" : "typing");
  });
  input.addEventListener("keydown", (event) => {
    if (names.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      submit();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.stopPropagation();
    close();
  });

  function close() {
    const chat = state.open;
    if (chat === null) return;
    const root = chat.openThread?.root;
    actions.threads.close(chat);
    requestAnimationFrame(() => requestAnimationFrame(() => {
      const row = /** @type {HTMLElement | null} */ (document.querySelector(`.message[data-seq="${root}"]`));
      row?.focus({ preventScroll: true });
    }));
  }

  function submit() {
    const chat = state.open;
    const text = input.value.trim();
    if (chat === null || shown === null || text === "") return;
    if (!actions.send(chat, text, shown.root)) return;
    input.value = "";
    fit();
    shown.unreadAfter = null;
    atBottom = true;
    update();
  }

  function fit() {
    input.style.height = "auto";
    input.style.height = `${input.scrollHeight + 2}px`;
    send.disabled = input.value.trim() === "";
  }

  function seen() {
    if (state.open !== null && shown !== null && !document.hidden) actions.threads.markRead(state.open);
  }

  function update() {
    const chat = state.open;
    const thread = chat?.openThread ?? null;
    // What is said there is written anew below the conversation, which must be in view.
    element.hidden = thread === null || (chat?.editing != null && matchMedia("(max-width: 1179.98px)").matches);
    if (chat === null || thread === null) {
      shown = null;
      return;
    }
    const isNew = shown !== thread;
    if (isNew) {
      shown = thread;
      nodes.clear();
      list.replaceChildren();
      input.value = "";
      atBottom = true;
    }
    form.hidden = !chat.writable || state.blocks(chat);
    showRoot(chat, thread.root);
    older.hidden = thread.complete || thread.loading || thread.entries.length === 0;
    const heightBefore = scroll.scrollHeight;
    const rows = threadRows(chat, state.myId).map((row) => ({ ...row, signature: rowSignature(rooms, chat, row) }));
    patchChildren(list, nodes, rows, (row) => rowElement(rooms, chat, row, goTo));
    if (atBottom) scroll.scrollTop = scroll.scrollHeight;
    else if (thread.loading) scroll.scrollTop += scroll.scrollHeight - heightBefore;
    if (isNew && matchMedia("(hover: hover)").matches) input.focus();
    else if (isNew) title.focus();
    if (isNew) fit();
    if (atBottom) seen();
  }

  /** @param {Chat} chat @param {number} root */
  function showRoot(chat, root) {
    const entry = chat.known(root) ?? chat.threads.get(root)?.root;
    const count = chat.threads.get(root)?.replies ?? 0;
    setText(title, count === 0 ? "Thread" : `Thread, ${count} ${count === 1 ? "reply" : "replies"}`);
    const following = chat.threads.get(root)?.following;
    follow.hidden = following === undefined;
    follow.setAttribute("aria-pressed", String(following === true));
    setText(follow, following === true ? "Following" : "Follow");
    follow.title = following === true ? "Replies count as unread. Choose to leave the thread." : "Count replies as unread from now on";
    fill(about,
      h("span", { class: "name" }, entry === undefined ? "Earlier message" : state.nameOf(entry.sender_id)),
      h("span", { class: "said", dir: "auto" }, entry === undefined ? "Show it" : contentText(chat.contentOf(entry))),
      entry === undefined ? null : h("time", { class: "quiet-text" }, shortTime(entry.sent_at)));
  }

  document.addEventListener("visibilitychange", seen);
  state.on(["log", "open", "own"], update);
  return { element, update };
}
