// Above the messages: whose chat it is, who is there or writes, and what is pinned.
import { openChatInfo } from "../dialogs/chat_info.js";
import { openSearch } from "../dialogs/search.js";
import { openThreads } from "../dialogs/threads.js";
import { fill, h, icon, iconButton, setText } from "../dom.js";
import { contentText, lastSeen, typingText } from "../format.js";
import { chatAvatar } from "./avatar.js";
import { openChatMenu } from "./chat_menu.js";

/** @typedef {import("../chat.js").Chat} Chat */
/** @typedef {import("./shell.js").Rooms} Rooms */

/** @param {Rooms} rooms @param {{ onClose: () => void, goTo: (seq: number) => void }} handlers */
export function chatHeader(rooms, { onClose, goTo }) {
  const { state } = rooms;
  const header = h("header", { class: "chat-header" });
  const line = h("p", { class: "subtitle", "data-testid": "subtitle" });
  const threadCount = h("span", { class: "badge", "data-testid": "threads-unread", hidden: true });
  const threads = iconButton("Threads", "thread", { class: "with-badge", "data-testid": "threads-button", onclick: () => state.open && openThreads(rooms, state.open) });
  threads.append(threadCount);
  const pinned = pinnedBar(rooms, goTo);
  const element = h("div", { class: "chat-top" }, header, pinned.element);
  let signature = "";

  function update() {
    const chat = state.open;
    if (chat === null) return;
    updatePeople();
    pinned.update(chat);
    updateThreads(chat);
    const next = JSON.stringify([chat.id, chat.title, chat.kind, chat.photo, state.searchable]);
    if (next === signature) return;
    signature = next;
    fill(header,
      iconButton("Back to chats", "back", { class: "back", "data-testid": "back", onclick: onClose }),
      chatAvatar(chat),
      h("div", { class: "titles" }, h("h2", { tabindex: "-1", "data-testid": "chat-title" }, chat.title), line),
      state.searchable
        ? iconButton("Search this chat", "search", { "data-testid": "search-chat", onclick: () => openSearch(rooms, chat) })
        : null,
      threads,
      iconButton("About this chat", "info", { "data-testid": "chat-info", onclick: () => openChatInfo(rooms, chat) }),
      menuButton(chat));
  }

  /** @param {Chat} chat */
  function menuButton(chat) {
    const button = iconButton("More about this chat", "more", { class: "more-button", "data-testid": "chat-more", "aria-haspopup": "dialog" });
    button.addEventListener("click", () =>
      openChatMenu(rooms, chat, { anchor: button.getBoundingClientRect(), origin: () => button, inChat: true }));
    return button;
  }

  /** @param {Chat} chat */
  function updateThreads(chat) {
    const { unread } = chat.threads;
    threads.hidden = !chat.threads.isKnown;
    threadCount.hidden = unread === 0;
    setText(threadCount, String(unread));
    threads.setAttribute("aria-label", unread === 0 ? "Threads" : `Threads, ${unread} unread ${unread === 1 ? "reply" : "replies"}`);
  }

  /** Not part of what is built anew: it changes often, and focus must stay. */
  function updatePeople() {
    const chat = state.open;
    if (chat === null) return;
    const typing = state.typing.get(chat.id) ?? [];
    line.classList.toggle("typing", typing.length > 0);
    setText(line, typing.length > 0 ? typingText(typing.map((id) => state.nameOf(id))) : subtitle(state, chat));
  }

  state.on(["people", "connection", "log"], () => {
    updatePeople();
    if (state.open === null) return;
    pinned.update(state.open);
    updateThreads(state.open);
  });
  return { element, update };
}

/** @param {import("../state.js").State} state @param {Chat} chat */
function subtitle(state, chat) {
  if (chat.kind === "direct") {
    const presence = state.presenceOf(chat.peer?.user_id);
    if (presence?.status === "online") return "online";
    if (presence?.status === "away") return "away";
    if (presence?.last_seen !== undefined) return lastSeen(presence.last_seen);
    return chat.peer ? `@${chat.peer.username}` : "";
  }
  const kind = chat.kind === "channel" ? "Channel" : "Group";
  if (chat.members === null) return kind;
  const count = `${kind}, ${chat.members.length} ${chat.members.length === 1 ? "member" : "members"}`;
  const online = chat.members.filter(({ user_id }) => state.presenceOf(user_id)?.status === "online").length;
  return online > 0 ? `${count}, ${online} online` : count;
}

/** The newest pinned message; pressing it again goes on to the one before. @param {Rooms} rooms @param {(seq: number) => void} goTo */
function pinnedBar({ actions }, goTo) {
  const text = h("span", { class: "pinned-text" });
  const title = h("span", { class: "name" });
  const element = h("button", { type: "button", class: "pinned-bar", "data-testid": "pinned-bar", hidden: true }, icon("pin"), h("span", { class: "what" }, title, text));
  let shownId = "";
  let place = 0;
  /** @type {number[]} */
  let seqs = [];

  element.addEventListener("click", () => {
    if (seqs.length === 0) return;
    goTo(seqs[place]);
    place = (place - 1 + seqs.length) % seqs.length;
  });

  /** @param {Chat} chat */
  function update(chat) {
    const next = chat.states.pinned();
    if (chat.id !== shownId || next.join() !== seqs.join()) place = next.length - 1;
    shownId = chat.id;
    seqs = next;
    element.hidden = seqs.length === 0;
    if (seqs.length === 0) return;
    const entry = chat.known(seqs[place]);
    if (entry === undefined) void actions.messages.peek(chat, seqs[place]);
    setText(title, seqs.length === 1 ? "Pinned message" : `Pinned message ${place + 1} of ${seqs.length}`);
    setText(text, entry === undefined ? "From earlier" : contentText(chat.contentOf(entry)).slice(0, 200));
  }

  return { element, update };
}
