// The threads of a chat, latest reply first.
import { fill, h } from "../dom.js";
import { contentText, shortTime } from "../format.js";
import { dialog } from "./dialog.js";

/** @param {import("../views/shell.js").Rooms} rooms @param {import("../chat.js").Chat} chat */
export function openThreads({ state, actions }, chat) {
  const box = dialog("Threads", "threads-dialog");
  const list = h("ul", { class: "hits", "data-testid": "threads", "aria-label": "Threads, latest reply first" });
  const show = () => {
    const threads = chat.threads.all();
    actions.sync.learnSenders(threads.flatMap(({ root }) => root ?? []));
    fill(list, threads.length === 0 ? h("li", { class: "quiet-text" }, "No threads yet. Choose “Reply in thread” in a message’s menu to start one.") : threads.map(item));
  };

  /** @param {import("/sdk/src/index.js").Thread} thread */
  function item(thread) {
    const root = chat.known(thread.thread) ?? thread.root;
    const said = root === undefined ? "Earlier message" : contentText(chat.contentOf(root));
    return h("li", {}, h("button", {
      type: "button", class: "hit", "data-testid": "thread-item", onclick: () => {
        box.close();
        actions.threads.open(chat, thread.thread);
      },
    },
    h("span", { class: "line" },
      h("span", { class: "name" }, root === undefined ? "" : state.nameOf(root.sender_id)),
      root === undefined ? null : h("time", { class: "quiet-text" }, shortTime(root.sent_at))),
    h("span", { dir: "auto" }, said.slice(0, 160)),
    h("span", { class: "line quiet-text" }, `${thread.replies} ${thread.replies === 1 ? "reply" : "replies"}`,
      thread.unread > 0 ? h("span", { class: "badge" }, `${thread.unread} new`) : null)));
  }

  fill(box.body, list);
  show();
  box.follow(state, ["open", "log"], show);
  box.open();
  void actions.threads.learn(chat, chat.heldFrom, true);
}
