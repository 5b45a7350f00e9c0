// The open chat: header, timeline, composer.
import { h, icon } from "../dom.js";
import { chatHeader } from "./chat_header.js";
import { ComposerView } from "./composer.js";
import { threadPanel } from "./thread_panel.js";
import { TimelineView } from "./timeline.js";

/** @param {import("./shell.js").Rooms} rooms */
export function chatView(rooms) {
  const { state, actions } = rooms;
  const unread = h("span", { class: "badge", hidden: true });
  const jump = h("button", { type: "button", class: "jump", "aria-label": "Jump to the latest message", "data-testid": "jump", hidden: true }, icon("down"), unread);
  const timeline = new TimelineView(rooms, place);
  const header = chatHeader(rooms, { onClose: close, goTo: (seq) => void timeline.goTo(seq) });
  const composer = new ComposerView(rooms, {
    onSent: () => timeline.jumpToLatest(),
    onEdited: (seq) => timeline.focusOn(seq),
  });
  const chatElement = h("section", { class: "chat", "data-testid": "chat" }, header.element, timeline.element, composer.element, jump);
  const thread = threadPanel(rooms, { goTo: (seq) => void timeline.goTo(seq) });
  const element = h("div", { class: "chat-area" }, chatElement, thread.element);
  let shownId = "";

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
    chatElement.setAttribute("aria-label", chat.title);
    element.dataset.thread = String(chat.openThread !== null);
    header.update();
    timeline.show(chat);
    composer.show(chat);
    if (shownId !== chat.id) {
      shownId = chat.id;
      // A phone's keyboard should not jump up over a conversation one only wants to read.
      if (matchMedia("(hover: hover)").matches) composer.focus();
    }
    thread.update();
    if (chat.goTo !== null) {
      const seq = chat.goTo;
      chat.goTo = null;
      void timeline.goTo(seq);
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
