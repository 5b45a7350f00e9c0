// Finding messages by their words.
import { fill, h } from "../dom.js";
import { contentText, dayAndTime } from "../format.js";
import { pieces } from "../search.js";
import { dialog } from "./dialog.js";

const WAIT_MS = 250;
const LIMIT = 20;

/** @typedef {import("/sdk/src/index.js").SearchPage} SearchPage */

/** @param {import("../views/shell.js").Rooms} rooms @param {import("../chat.js").Chat | null} chat where to look; null: everywhere */
export function openSearch(rooms, chat) {
  const box = dialog(chat === null ? "Search messages" : `Search ${chat.title}`, "search-dialog");
  const input = h("input", { class: "input", type: "search", placeholder: "Words to look for", "aria-label": "Words to look for", "data-testid": "search-input", autofocus: true });
  const status = h("p", { class: "quiet-text", role: "status", "data-testid": "search-status" }, "");
  const list = h("ul", { class: "hits", "data-testid": "hits", "aria-label": "Messages found" });
  const more = h("button", { type: "button", class: "button quiet", "data-testid": "more-hits", hidden: true }, "Show more");
  let asked = 0;
  /** @type {any} */
  let timer;
  /** @type {string | undefined} */
  let cursor;

  /** @param {boolean} goOn */
  async function ask(goOn) {
    const text = input.value.trim();
    const turn = (asked += 1);
    if (text === "") {
      fill(list);
      fill(status);
      more.hidden = true;
      return;
    }
    try {
      const page = await rooms.client.search(text, { conversation_id: chat?.id, limit: LIMIT, cursor: goOn ? cursor : undefined });
      if (turn !== asked) return;
      show(page, goOn);
    } catch (error) {
      if (turn === asked) fill(status, /** @type {Error} */ (error).message);
    }
  }

  /** @param {SearchPage} page @param {boolean} goOn */
  function show(page, goOn) {
    rooms.actions.sync.learnSenders(page.hits.map(({ entry }) => entry));
    const items = page.hits.map((hit) => hitItem(rooms, hit, chat === null, box.close));
    if (goOn) list.append(...items);
    else fill(list, items);
    cursor = page.next_cursor;
    more.hidden = cursor === undefined;
    const count = list.childElementCount;
    fill(status, count === 0 ? "Nothing found." : `${count}${more.hidden ? "" : " or more"} ${count === 1 ? "message" : "messages"}`);
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => void ask(false), WAIT_MS);
  });
  more.addEventListener("click", () => void ask(true));
  fill(box.body, h("div", { role: "search" }, input), status, list, more);
  box.open();
  input.focus();
}

/** @param {import("../views/shell.js").Rooms} rooms @param {SearchPage["hits"][number]} hit @param {boolean} withChat @param {() => void} close */
function hitItem({ state, actions }, { entry, highlights }, withChat, close) {
  const where = withChat ? ` in ${state.chats.get(entry.conversation_id)?.title ?? "a chat"}` : "";
  const visit = () => {
    close();
    actions.visit(entry.conversation_id, entry.target ?? entry.seq);
  };
  return h("li", {}, h("button", { type: "button", class: "hit", "data-testid": "hit", onclick: visit },
    h("span", { class: "line" },
      h("span", { class: "name" }, `${state.nameOf(entry.sender_id)}${where}`),
      h("time", { class: "quiet-text", datetime: new Date(entry.sent_at).toISOString() }, dayAndTime(entry.sent_at))),
    h("span", { dir: "auto" }, pieces(contentText(entry.content), highlights).map(({ text, found }) =>
      found ? h("mark", {}, text) : text))));
}
