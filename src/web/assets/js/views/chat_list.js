// The list of chats: latest activity first, moved with the arrow keys.
import { fill, h, icon, setText } from "../dom.js";
import { contentText, shortTime, systemText, typingText } from "../format.js";
import { patchChildren } from "../patch.js";
import { chatAvatar, withPresence } from "./avatar.js";
import { openChatMenu } from "./chat_menu.js";

/** @typedef {import("../chat.js").Chat} Chat */

/**
 * @param {import("./shell.js").Rooms} rooms
 * @param {() => string} filterText
 */
export function chatListView(rooms, filterText) {
  const { state } = rooms;
  const list = h("ul", { "data-testid": "chat-list", "aria-label": "Chats" });
  const empty = h("div", { class: "list-empty", hidden: true });
  const archive = h("button", { type: "button", class: "archive-toggle", "data-testid": "archive-toggle", hidden: true });
  const element = h("div", { class: "chats" }, archive, list, empty);
  const nodes = new Map();
  let inArchive = false;
  archive.addEventListener("click", () => {
    inArchive = !inArchive;
    update();
  });

  function update() {
    const filter = filterText();
    const archived = state.chatsListed(true);
    if (archived.length === 0) inArchive = false;
    updateArchive(archived);
    // Whoever looks for a name means all chats.
    const listed = filter === "" ? state.chatsListed(inArchive) : [...state.chatsListed(false), ...archived];
    const chats = listed.filter((chat) => chat.title.toLowerCase().includes(filter));
    const items = chats.map((chat) => ({ key: chat.id, signature: signature(rooms, chat), chat }));
    patchChildren(list, nodes, items, ({ chat }) => chatItem(rooms, chat));
    const tabStop = chats.find(({ id }) => id === state.openId) ?? chats[0];
    for (const button of list.querySelectorAll("button")) {
      button.tabIndex = button.dataset.chatId === tabStop?.id ? 0 : -1;
    }
    empty.hidden = chats.length > 0 || !state.listed;
    const nothing = archived.length > 0 ? "All chats are in the archive." : "No chats yet. Start one with the plus button.";
    fill(empty, h("p", {}, filter === "" ? nothing : "No chat by that name."));
  }

  /** @param {Chat[]} archived */
  function updateArchive(archived) {
    archive.hidden = archived.length === 0;
    const unread = archived.reduce((sum, chat) => sum + chat.unread, 0);
    archive.setAttribute("aria-expanded", String(inArchive));
    fill(archive, icon(inArchive ? "back" : "archive"), h("span", { class: "name" }, inArchive ? "Back to chats" : "Archived"),
      inArchive ? null : h("span", { class: "quiet-text" }, unread > 0 ? `${unread} unread` : String(archived.length)));
  }

  // The menu key and a long press come as this, too.
  list.addEventListener("contextmenu", (event) => {
    const button = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-chat-id]"));
    const chat = state.chats.get(button?.dataset.chatId ?? "");
    if (button === null || chat === undefined || state.settings === null) return;
    event.preventDefault();
    const again = () => /** @type {HTMLElement | null} */ (list.querySelector(`[data-chat-id="${CSS.escape(chat.id)}"]`));
    openChatMenu(rooms, chat, { anchor: button.getBoundingClientRect(), origin: again });
  });

  list.addEventListener("keydown", (event) => moveFocus(list, event));
  state.on(["chats", "open", "me", "people", "connection", "own"], update);
  update();
  return { element, update };
}

/** @param {HTMLElement} list @param {KeyboardEvent} event */
function moveFocus(list, event) {
  const buttons = [...list.querySelectorAll("button")];
  const current = buttons.findIndex((button) => button === document.activeElement);
  const target = {
    ArrowDown: Math.min(current + 1, buttons.length - 1),
    ArrowUp: Math.max(current - 1, 0),
    Home: 0,
    End: buttons.length - 1,
  }[event.key];
  if (target === undefined) return;
  event.preventDefault();
  for (const button of buttons) button.tabIndex = -1;
  buttons[target].tabIndex = 0;
  buttons[target].focus();
}

/** @param {import("./shell.js").Rooms} rooms @param {Chat} chat */
function preview({ state, drafts }, chat) {
  const typing = state.typing.get(chat.id);
  if (typing !== undefined) return { draft: false, text: typingText(typing.map((id) => state.nameOf(id))) };
  const draft = chat.id === state.openId ? "" : drafts.get(chat.id);
  if (draft !== "") return { draft: true, text: draft };
  const waiting = [...chat.outgoing.values()].at(-1);
  if (waiting !== undefined) return { draft: false, text: `You: ${contentText(waiting.item.content)}` };
  const { last } = chat;
  if (last === undefined) return { draft: false, text: "No messages yet" };
  const own = last.sender_id === state.me?.user_id;
  const name = (/** @type {string} */ id) => state.nameOf(id);
  if (last.kind !== "new_message") return { draft: false, text: systemText(last, name) ?? "" };
  const from = own ? "You: " : chat.kind === "direct" ? "" : `${name(last.sender_id)}: `;
  return { draft: false, text: from + contentText(chat.contentOf(last)) };
}

/** Everything an item shows: equal signatures need no new element. @param {import("./shell.js").Rooms} rooms @param {Chat} chat */
function signature(rooms, chat) {
  const { draft, text } = preview(rooms, chat);
  const open = chat.id === rooms.state.openId;
  const presence = rooms.state.presenceOf(chat.peer?.user_id)?.status;
  const held = [chat.muted, chat.pinned, chat.mentions, chat.photo];
  return JSON.stringify([presence, chat.title, chat.kind, chat.unread, held, open, shortTime(chat.activityMs), draft, text.slice(0, 200)]);
}

/** @param {import("./shell.js").Rooms} rooms @param {Chat} chat */
function chatItem(rooms, chat) {
  const { draft, text } = preview(rooms, chat);
  const line = h("span", { class: "preview" }, draft ? h("span", { class: "draft" }, "Draft: ") : null);
  line.append(text.slice(0, 200));
  const badge = chat.unread > 0
    ? h("span", { class: chat.muted ? "badge muted" : "badge", "data-testid": "unread" },
        h("span", { "aria-hidden": "true" }, chat.unread > 99 ? "99+" : String(chat.unread)),
        h("span", { class: "visually-hidden" }, `${chat.unread} unread`))
    : null;
  const mentioned = chat.mentions > 0
    ? h("span", { class: "badge", "data-testid": "mentions" }, h("span", { "aria-hidden": "true" }, "@"),
        h("span", { class: "visually-hidden" }, `${chat.mentions} ${chat.mentions === 1 ? "mention" : "mentions"} of you`))
    : null;
  const time = h("time", { class: "time" });
  setText(time, chat.activityMs > 0 ? shortTime(chat.activityMs) : "");
  return h("li", {}, h("button", {
    type: "button",
    class: chat.unread > 0 ? "chat-item unread" : "chat-item",
    "data-testid": "chat-item",
    "data-chat-id": chat.id,
    "data-name": chat.title,
    "aria-current": chat.id === rooms.state.openId ? "true" : null,
    onclick: () => {
      location.hash = chat.id;
    },
  },
  withPresence(chatAvatar(chat), rooms.state.presenceOf(chat.peer?.user_id)),
  h("span", { class: "lines" },
    h("span", { class: "line" }, h("span", { class: "name" }, chat.title), mark(chat.muted, "bellOff", "Muted"), mark(chat.pinned, "pin", "Pinned"), time),
    h("span", { class: "line" }, line, mentioned, badge))));
}

/** @param {boolean} on @param {string} name @param {string} label */
function mark(on, name, label) {
  return on ? h("span", { class: "mark", "data-testid": `is-${label.toLowerCase()}`, title: label }, icon(name), h("span", { class: "visually-hidden" }, label)) : null;
}
