// Ways to a message's menu: the bar under the mouse, a long press, the keyboard.
import { h, iconButton } from "../dom.js";
import { openMessageMenu, openPicker } from "./message_menu.js";

/** @typedef {import("./shell.js").Rooms} Rooms */
/** @typedef {import("../chat.js").Chat} Chat */

const LONG_PRESS_MS = 450;
/** A finger that moves this far scrolls. */
const STILL_PX = 10;

/**
 * One bar for all messages, put where the pointer or the focus is.
 * @param {HTMLElement} timeline
 * @param {Rooms} rooms
 * @param {() => Chat | null} shownChat
 * @param {(seq: number) => void} goTo
 */
export function followMessages(timeline, rooms, shownChat, goTo) {
  const tools = h("div", { class: "tools" });
  /** @type {HTMLElement | null} */
  let row = null;

  /** @param {(chat: Chat, seq: number, row: HTMLElement) => void} act */
  const acting = (act) => () => {
    const chat = shownChat();
    const seq = Number(row?.dataset.seq);
    if (chat !== null && row !== null && seq > 0) act(chat, seq, row);
  };
  tools.append(
    iconButton("React", "smile", { tabindex: "-1", "data-testid": "react", onclick: acting((chat, seq, at) => openPicker(rooms, chat, seq, { row: at, anchor: tools })) }),
    iconButton("Reply", "reply", { tabindex: "-1", "data-testid": "reply", onclick: acting((chat, seq) => rooms.actions.reply(chat, seq)) }),
    iconButton("More actions", "more", { tabindex: "-1", "data-testid": "more", onclick: acting((chat, seq, at) => open(chat, seq, at, tools)) }));

  /** @param {Chat} chat @param {number} seq @param {HTMLElement} at @param {Element} [anchor] */
  function open(chat, seq, at, anchor) {
    openMessageMenu(rooms, chat, seq, { row: at, anchor, goTo });
  }

  /** @param {Event} event */
  function follow(event) {
    const target = /** @type {Element} */ (event.target);
    const next = /** @type {HTMLElement | null} */ (target.closest?.(".message") ?? null);
    if (next === row && (next === null || tools.parentElement !== null)) return;
    row = next;
    const usable = next?.dataset.seq !== undefined && next.dataset.deleted === undefined;
    if (usable) next?.querySelector(".bubble")?.append(tools);
    else tools.remove();
  }

  timeline.addEventListener("pointerover", (event) => event.pointerType !== "touch" && follow(event));
  timeline.addEventListener("focusin", follow);
  timeline.addEventListener("pointerleave", () => {
    if (row?.contains(document.activeElement)) return;
    row = null;
    tools.remove();
  });
  onLongPress(timeline, (pressed) => {
    const chat = shownChat();
    const seq = Number(pressed.dataset.seq);
    if (chat !== null && seq > 0) open(chat, seq, pressed);
  });
  return { open };
}

/** @param {HTMLElement} timeline @param {(row: HTMLElement) => void} act */
function onLongPress(timeline, act) {
  /** @type {any} */
  let timer;
  let from = { x: 0, y: 0 };
  let pressedAtMs = 0;
  const cancel = () => clearTimeout(timer);
  timeline.addEventListener("pointerdown", (event) => {
    cancel();
    if (event.pointerType !== "touch") return;
    const row = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest(".message"));
    if (row === null) return;
    from = { x: event.clientX, y: event.clientY };
    timer = setTimeout(() => {
      pressedAtMs = Date.now();
      act(row);
      holdUntilLetGo();
    }, LONG_PRESS_MS);
  });
  timeline.addEventListener("pointermove", (event) => {
    if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > STILL_PX) cancel();
  });
  for (const name of ["pointerup", "pointercancel", "scroll"]) timeline.addEventListener(name, cancel, { passive: true });
  // The menu may come up under the finger: letting go must not press what is there.
  function holdUntilLetGo() {
    document.documentElement.classList.add("held");
    const release = () => setTimeout(() => document.documentElement.classList.remove("held"), 60);
    for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, release, { once: true, capture: true });
  }
  // The finger's own click and the system's menu are not meant.
  const swallow = (/** @type {Event} */ event) => {
    if (Date.now() - pressedAtMs > 1_000) return;
    event.preventDefault();
    event.stopPropagation();
  };
  timeline.addEventListener("click", swallow, { capture: true });
  timeline.addEventListener("contextmenu", swallow, { capture: true });
}
