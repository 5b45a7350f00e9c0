// Saying a message again somewhere else.
import { fill, h } from "../dom.js";
import { contentText } from "../format.js";
import { chatAvatar } from "../views/avatar.js";
import { dialog } from "./dialog.js";

const CHATS_MAX = 20;

/** @param {import("../views/shell.js").Rooms} rooms @param {import("../chat.js").Chat} chat @param {number} seq */
export function openForward({ state, actions }, chat, seq) {
  const content = chat.contentOf(chat.known(seq));
  if (content === undefined || "deleted" in content) return;
  const box = dialog("Forward to", "forward-dialog");
  /** @type {Set<string>} */
  const chosen = new Set();
  const filter = h("input", { class: "input", type: "search", placeholder: "Find a chat", "aria-label": "Find a chat", "data-testid": "forward-filter" });
  const list = h("ul", { class: "choose", "aria-label": "Chats", tabindex: "0" });
  const status = h("p", { class: "quiet-text", role: "status" });
  const button = h("button", { type: "button", class: "button primary", "data-testid": "forward", disabled: true }, "Forward");

  function show() {
    const wanted = filter.value.trim().toLowerCase();
    const chats = state.chatsByActivity().filter((one) => one.writable && !state.blocks(one) && one.title.toLowerCase().includes(wanted));
    fill(list, chats.map((one) => h("li", {}, h("label", { class: "choose-item", "data-testid": "forward-to", "data-name": one.title },
      h("input", { type: "checkbox", checked: chosen.has(one.id), onchange: () => toggle(one.id) }),
      chatAvatar(one, { small: true }),
      h("span", { class: "name" }, one.title)))));
  }

  /** @param {string} id */
  function toggle(id) {
    if (chosen.has(id)) chosen.delete(id);
    else chosen.add(id);
    button.disabled = chosen.size === 0 || chosen.size > CHATS_MAX;
    status.textContent = chosen.size > CHATS_MAX ? `At most ${CHATS_MAX} chats at once.` : "";
  }

  filter.addEventListener("input", show);
  button.addEventListener("click", () => {
    box.close();
    for (const id of chosen) actions.forward(state.chat(id), chat, seq);
    if (chosen.size === 1) location.hash = [...chosen][0];
  });
  fill(box.body, h("p", { class: "forward-preview", dir: "auto" }, contentText(content).slice(0, 200)), filter, list, status, button);
  show();
  box.open();
  filter.focus();
}
