// Completes @names while a message is written.
import { fill, h } from "../dom.js";
import { begunName, offersFor } from "../mentions.js";
import { avatar } from "./avatar.js";

let lastId = 0;

/**
 * @param {HTMLTextAreaElement} input
 * @param {import("./shell.js").Rooms} rooms
 * @param {() => import("../chat.js").Chat | null} writingIn
 */
export function mentionBox(input, { state }, writingIn) {
  lastId += 1;
  const id = `mentions-${lastId}`;
  const list = h("ul", { class: "mention-box", id, role: "listbox", "aria-label": "People to mention", "data-testid": "mention-box", hidden: true });
  /** @type {import("../mentions.js").Offer[]} */
  let offers = [];
  let chosen = 0;
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-haspopup", "listbox");

  function update() {
    const chat = writingIn();
    const begun = input.selectionStart === input.selectionEnd ? begunName(input.value.slice(0, input.selectionStart)) : null;
    const others = (chat?.members ?? []).filter(({ user_id }) => user_id !== state.myId);
    offers = begun === null || chat === null || chat.kind === "direct" ? [] : offersFor(begun, others, chat.mayCallAll);
    chosen = 0;
    show();
  }

  function show() {
    list.hidden = offers.length === 0;
    fill(list, offers.map((offer, index) => h("li", {
      id: `${id}-${index}`, role: "option", class: "mention-offer", "aria-selected": String(index === chosen), "data-testid": "mention-offer", "data-token": offer.token,
      // The cursor must stay where the name goes.
      onpointerdown: (/** @type {Event} */ event) => {
        event.preventDefault();
        pick(index);
      },
    },
    offer.userId === undefined ? h("span", { class: "avatar small all", "aria-hidden": "true" }, "@") : avatar(offer.userId, offer.name, { small: true }),
    h("span", { class: "name" }, offer.name),
    h("span", { class: "username" }, offer.about))));
    if (list.hidden) {
      input.removeAttribute("aria-activedescendant");
      input.removeAttribute("aria-controls");
    } else {
      input.setAttribute("aria-controls", id);
      input.setAttribute("aria-activedescendant", `${id}-${chosen}`);
    }
  }

  /** @param {number} index */
  function pick(index) {
    const at = input.selectionStart;
    const begun = begunName(input.value.slice(0, at)) ?? "";
    input.setRangeText(`${offers[index].token} `, at - begun.length, at, "end");
    close();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function close() {
    offers = [];
    show();
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the key was for this list */
  function key(event) {
    if (offers.length === 0 || event.isComposing) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : offers.length - 1)) % offers.length;
      show();
    } else if (event.key === "Enter" || event.key === "Tab") {
      pick(chosen);
    } else if (event.key === "Escape") {
      event.stopPropagation();
      close();
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }

  input.addEventListener("input", update);
  input.addEventListener("click", update);
  input.addEventListener("blur", close);
  return { element: list, key };
}
