// The open chat: header, timeline, composer.
import { fill, h, icon, iconButton } from "../dom.js";
import { openChatInfo } from "../dialogs/chat_info.js";
import { chatAvatar } from "./avatar.js";
import { ComposerView } from "./composer.js";
import { TimelineView } from "./timeline.js";

/** @param {import("./shell.js").Rooms} rooms */
export function chatView(rooms) {
  const { state, actions } = rooms;
  const header = h("header", { class: "chat-header" });
  const unread = h("span", { class: "badge", hidden: true });
  const jump = h("button", { type: "button", class: "jump", "aria-label": "Jump to the latest message", "data-testid": "jump", hidden: true }, icon("down"), unread);
  const timeline = new TimelineView(rooms, place);
  const composer = new ComposerView(rooms, () => timeline.jumpToLatest());
  const element = h("section", { class: "chat", "data-testid": "chat" }, header, timeline.element, composer.element, jump);
  let shownId = "";
  let headerSignature = "";

  jump.addEventListener("click", () => {
    timeline.jumpToLatest("smooth");
    composer.focus();
  });
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    close();
  });

  /** Back to the list, with the focus where one came from. */
  function close() {
    const id = state.openId;
    location.hash = "";
    requestAnimationFrame(() => requestAnimationFrame(() => {
      const item = /** @type {HTMLElement | null} */ (document.querySelector(`[data-chat-id="${CSS.escape(id ?? "")}"]`));
      item?.focus();
    }));
  }

  function updateHeader() {
    const chat = state.open;
    if (chat === null) return;
    const signature = JSON.stringify([chat.id, chat.title, chat.kind, subtitle(chat)]);
    if (signature === headerSignature) return;
    headerSignature = signature;
    element.setAttribute("aria-label", chat.title);
    fill(header,
      iconButton("Back to chats", "back", { class: "back", "data-testid": "back", onclick: close }),
      chatAvatar(chat),
      h("div", { class: "titles" },
        h("h2", { tabindex: "-1", "data-testid": "chat-title" }, chat.title),
        h("p", { class: "subtitle" }, subtitle(chat))),
      iconButton("About this chat", "info", { "data-testid": "chat-info", onclick: () => openChatInfo(rooms, chat) }));
  }

  /** The reader came to the end or left it. */
  function place() {
    const chat = state.open;
    if (chat === null) return;
    jump.hidden = timeline.atBottom;
    unread.hidden = chat.unread === 0;
    unread.textContent = String(chat.unread);
    if (timeline.atBottom && !document.hidden) actions.markRead(chat);
  }

  function update() {
    const chat = state.open;
    if (chat === null) {
      shownId = "";
      return;
    }
    updateHeader();
    timeline.show(chat);
    composer.show(chat);
    if (shownId !== chat.id) {
      shownId = chat.id;
      // A phone's keyboard should not jump up over a conversation one only wants to read.
      if (matchMedia("(hover: hover)").matches) composer.focus();
    }
    place();
  }

  function updateLog() {
    if (state.open === null) return;
    timeline.update();
    place();
  }

  document.addEventListener("visibilitychange", place);
  state.on(["log"], updateLog);
  return { element, update };
}

/** @param {import("../chat.js").Chat} chat */
function subtitle(chat) {
  if (chat.kind === "direct") return chat.peer ? `@${chat.peer.username}` : "";
  const kind = chat.kind === "channel" ? "Channel" : "Group";
  if (chat.members === null) return kind;
  return `${kind}, ${chat.members.length} ${chat.members.length === 1 ? "member" : "members"}`;
}
