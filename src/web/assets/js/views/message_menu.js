// What can be done to one message: quick emojis, and the actions this person may take.
import { confirmDeletion } from "../dialogs/confirm.js";
import { openEditHistory } from "../dialogs/edit_history.js";
import { openForward } from "../dialogs/forward.js";
import { openReceipts } from "../dialogs/receipts.js";
import { h, icon, iconButton } from "../dom.js";
import { EMOJI_GROUPS, QUICK_EMOJI } from "../emoji.js";
import { contentText } from "../format.js";
import { openPopup } from "./popup.js";

/** @typedef {import("../chat.js").Chat} Chat */
/** @typedef {import("./shell.js").Rooms} Rooms */
/** @typedef {{ label: string, icon: string, testId: string, run: () => void, danger?: boolean }} Choice */

/**
 * @param {Rooms} rooms @param {Chat} chat @param {number} seq
 * @param {{ row: HTMLElement, anchor?: Element, goTo: (seq: number) => void }} place
 */
export function openMessageMenu(rooms, chat, seq, { row, anchor, goTo }) {
  const entry = chat.known(seq);
  if (entry === undefined) return;
  const choices = choicesFor(rooms, chat, entry, goTo);
  if (choices.length === 0) return;
  /** @param {() => void} run */
  const closing = (run) => () => {
    popup.close();
    run();
  };
  const react = (/** @type {string} */ emoji) => closing(() => rooms.actions.messages.toggleReaction(chat, seq, emoji))();
  const content = h("div", { class: "message-menu" },
    h("p", { class: "menu-preview", dir: "auto" }, contentText(chat.contentOf(entry)).slice(0, 120)),
    quickRow(chat, seq, react, () => {
      popup.close();
      openPicker(rooms, chat, seq, { row, anchor });
    }),
    h("div", { class: "choices" }, choices.map((choice) =>
      h("button", { type: "button", class: choice.danger ? "choice danger" : "choice", "data-testid": choice.testId, onclick: closing(choice.run) },
        icon(choice.icon), choice.label))));
  const popup = openPopup({
    label: "Message actions", testId: "message-menu", content, origin: () => present(row),
    anchor: (anchor ?? row.querySelector(".bubble") ?? row).getBoundingClientRect(),
    atEnd: row.classList.contains("own"),
  });
}

/** All emojis on offer. @param {Rooms} rooms @param {Chat} chat @param {number} seq @param {{ row: HTMLElement, anchor?: Element }} place */
export function openPicker(rooms, chat, seq, { row, anchor }) {
  const run = (/** @type {string} */ emoji) => {
    popup.close();
    rooms.actions.messages.toggleReaction(chat, seq, emoji);
  };
  const groups = [{ name: "Often used", emoji: QUICK_EMOJI }, ...EMOJI_GROUPS];
  const content = h("div", { class: "picker" }, groups.map(({ name, emoji }) =>
    h("div", { role: "group", "aria-label": name },
      h("p", { class: "section-title", "aria-hidden": "true" }, name),
      h("div", { class: "picker-grid" }, emoji.map((one) => emojiButton(chat, seq, one, run))))));
  const popup = openPopup({
    label: "Pick a reaction", testId: "emoji-picker", content, origin: () => present(row),
    anchor: (anchor ?? row.querySelector(".bubble") ?? row).getBoundingClientRect(),
    atEnd: row.classList.contains("own"),
  });
}

/** @param {Chat} chat @param {number} seq @param {(emoji: string) => void} react @param {() => void} more */
function quickRow(chat, seq, react, more) {
  // Emojis that are there already are the likeliest to be wanted.
  const present = (chat.states.of(seq)?.reactions ?? []).map(({ emoji }) => emoji);
  const offered = [...new Set([...QUICK_EMOJI.slice(0, 6 - Math.min(2, present.filter((one) => !QUICK_EMOJI.includes(one)).length)), ...present])];
  return h("div", { class: "quick-emoji", role: "group", "aria-label": "React" },
    offered.slice(0, 6).map((emoji) => emojiButton(chat, seq, emoji, react)),
    iconButton("More emojis", "plus", { "data-testid": "more-emoji", onclick: more }));
}

/** @param {Chat} chat @param {number} seq @param {string} emoji @param {(emoji: string) => void} react */
function emojiButton(chat, seq, emoji, react) {
  const own = chat.states.of(seq)?.reactions?.some((one) => one.emoji === emoji && one.user_ids.includes(chat.myId)) ?? false;
  const attributes = { "aria-label": `React with ${emoji}`, "aria-pressed": String(own), "data-testid": "react-with", "data-emoji": emoji };
  return h("button", { type: "button", class: "emoji-button", ...attributes, onclick: () => react(emoji) }, emoji);
}

/**
 * @param {Rooms} rooms @param {Chat} chat @param {import("/sdk/src/index.js").Entry} entry
 * @param {(seq: number) => void} goTo
 * @returns {Choice[]}
 */
function choicesFor(rooms, chat, entry, goTo) {
  const { actions } = rooms;
  const { messages } = actions;
  const { seq } = entry;
  const content = chat.contentOf(entry);
  const state = chat.states.of(seq);
  if (content === undefined || "deleted" in content) return [];
  const own = entry.sender_id === chat.myId;
  const isText = "text" in content;
  const replyTo = entry.reply_to;
  const forAll = own || chat.manages;
  const forMe = rooms.state.settings !== null;
  /** @type {(Choice | false)[]} */
  const choices = [
    entry.thread == null && { label: "Reply", icon: "reply", testId: "menu-reply", run: () => actions.reply(chat, seq) },
    entry.thread == null && chat.threads.isKnown && { label: "Reply in thread", icon: "thread", testId: "menu-thread", run: () => actions.threads.open(chat, seq) },
    own && isText && { label: "Edit", icon: "edit", testId: "menu-edit", run: () => messages.startEdit(chat, seq) },
    isText && { label: "Copy text", icon: "copy", testId: "menu-copy", run: () => void messages.copy(chat, seq) },
    { label: "Forward", icon: "forward", testId: "menu-forward", run: () => openForward(rooms, chat, seq) },
    (chat.kind === "direct" || chat.manages) && {
      label: state?.pinned ? "Unpin" : "Pin", icon: "pin", testId: "menu-pin", run: () => messages.pin(chat, seq, !state?.pinned),
    },
    typeof replyTo === "number" && { label: "Go to the quoted message", icon: "quote", testId: "menu-quoted", run: () => goTo(replyTo) },
    own && { label: "Who has read it", icon: "eye", testId: "menu-receipts", run: () => openReceipts(rooms, chat, seq) },
    state?.edited !== undefined && { label: "Edit history", icon: "history", testId: "menu-history", run: () => openEditHistory(rooms, chat, seq) },
    (forAll || forMe) && {
      label: forAll ? "Delete" : "Delete for me", icon: "trash", testId: forAll ? "menu-delete" : "menu-hide", danger: true,
      run: () => confirmDeletion({
        forAll: forAll ? () => messages.remove(chat, seq) : null,
        forMe: forMe ? () => void actions.own.hide(chat, seq) : null,
      }),
    },
  ];
  return /** @type {Choice[]} */ (choices.filter((choice) => choice !== false));
}

/** The row as it is now: news may have replaced its element. @param {HTMLElement} row @returns {HTMLElement | null} */
function present(row) {
  return row.isConnected ? row : document.querySelector(`.message[data-message-id="${CSS.escape(row.dataset.messageId ?? "")}"]`);
}
