// The list of chats: latest activity first, moved with the arrow keys.
import { fill, h, setText } from "../dom.js";
import { contentText, shortTime, systemText, typingText } from "../format.js";
import { patchChildren } from "../patch.js";
import { chatAvatar, withPresence } from "./avatar.js";

/** @typedef {import("../chat.js").Chat} Chat */

/**
 * @param {import("./shell.js").Rooms} rooms
 * @param {() => string} filterText
 */
export function chatListView(rooms, filterText) {
  const { state } = rooms;
  const list = h("ul", { "data-testid": "chat-list", "aria-label": "Chats" });
  const empty = h("div", { class: "list-empty", hidden: true });
  const element = h("div", { class: "chats" }, list, empty);
  const nodes = new Map();

  function update() {
    const filter = filterText();
    const chats = state.chatsByActivity().filter((chat) => chat.title.toLowerCase().includes(filter));
    const items = chats.map((chat) => ({ key: chat.id, signature: signature(rooms, chat), chat }));
    patchChildren(list, nodes, items, ({ chat }) => chatItem(rooms, chat));
    const tabStop = chats.find(({ id }) => id === state.openId) ?? chats[0];
    for (const button of list.querySelectorAll("button")) {
      button.tabIndex = button.dataset.chatId === tabStop?.id ? 0 : -1;
    }
    empty.hidden = chats.length > 0 || !state.listed;
    fill(empty, h("p", {}, filter === "" ? "No chats yet. Start one with the plus button." : "No chat by that name."));
  }

  list.addEventListener("keydown", (event) => moveFocus(list, event));
  state.on(["chats", "open", "me", "people", "connection"], update);
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
  return JSON.stringify([presence, chat.title, chat.kind, chat.unread, open, shortTime(chat.activityMs), draft, text.slice(0, 200)]);
}

/** @param {import("./shell.js").Rooms} rooms @param {Chat} chat */
function chatItem(rooms, chat) {
  const { draft, text } = preview(rooms, chat);
  const line = h("span", { class: "preview" }, draft ? h("span", { class: "draft" }, "Draft: ") : null);
  line.append(text.slice(0, 200));
  const badge = chat.unread > 0
    ? h("span", { class: "badge", "data-testid": "unread" },
        h("span", { "aria-hidden": "true" }, chat.unread > 99 ? "99+" : String(chat.unread)),
        h("span", { class: "visually-hidden" }, `${chat.unread} unread`))
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
    h("span", { class: "line" }, h("span", { class: "name" }, chat.title), time),
    h("span", { class: "line" }, line, badge))));
}
