import { mentionsUser } from "/sdk/src/index.js";
import { h } from "../dom.js";
import { contentText } from "../format.js";

const KEPT = 10;

/**
 * Speaks new messages to screen readers. A log of its own, so that pages of history and moved
 * elements are not read out.
 * @param {import("../state.js").State} state
 * @returns {(entry: import("/sdk/src/index.js").Entry) => void}
 */
export function announcer(state) {
  const log = /** @type {HTMLElement} */ (document.getElementById("announcer"));
  log.replaceChildren();
  return (entry) => {
    const chat = state.chats.get(entry.conversation_id);
    if (entry.kind !== "new_message" || chat === undefined) return;
    if ((chat.muted || chat.archived) && chat.id !== state.openId && !mentionsUser(entry, state.myId)) return;
    const where = chat.id === state.openId ? "" : ` in ${chat.title}`;
    log.append(h("p", {}, `${state.nameOf(entry.sender_id)}${where}: ${contentText(entry.content)}`));
    while (log.childElementCount > KEPT) log.firstElementChild?.remove();
  };
}
