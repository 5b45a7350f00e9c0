// What can be done to a chat as a whole: from its header, and from the list.
import { openJumpToDate } from "../dialogs/jump_to_date.js";
import { ask } from "../dialogs/confirm.js";
import { MUTES } from "../own.js";
import { openChoices } from "./choices.js";

/** @typedef {import("../chat.js").Chat} Chat */

/**
 * @param {import("./shell.js").Rooms} rooms @param {Chat} chat
 * @param {{ anchor: DOMRect, origin: () => HTMLElement | null, inChat?: boolean }} place
 */
export function openChatMenu(rooms, chat, { inChat = false, ...place }) {
  const { state, actions } = rooms;
  const { own } = actions;
  const mine = state.settings !== null;
  const peer = chat.kind === "direct" ? chat.peer : undefined;
  const isBlocked = state.blocks(chat);
  openChoices({
    label: `About ${chat.title}`, testId: "chat-menu", atEnd: inChat, ...place,
    choices: [
      inChat && { label: "Jump to a date", icon: "calendar", testId: "jump-to-date", run: () => openJumpToDate(rooms, chat) },
      mine && (chat.muted
        ? { label: "Unmute", icon: "bell", testId: "unmute", run: () => void own.mute(chat, 0) }
        : { label: "Mute", icon: "bellOff", testId: "mute", run: () => openMutes(rooms, chat, place) }),
      mine && { label: chat.pinned ? "Unpin from the top" : "Pin to the top", icon: "pin", testId: "pin-chat", run: () => void own.hold(chat, { pinned: !chat.pinned }) },
      mine && { label: chat.archived ? "Take out of the archive" : "Archive", icon: "archive", testId: "archive-chat", run: () => void own.hold(chat, { archived: !chat.archived }) },
      peer !== undefined && state.blocked !== null && {
        label: isBlocked ? "Unblock" : "Block", icon: "ban", testId: "block", danger: !isBlocked,
        run: () => (isBlocked ? void own.block(peer.user_id, false) : confirmBlock(rooms, peer)),
      },
    ],
  });
}

/** @param {import("./shell.js").Rooms} rooms @param {Chat} chat @param {{ anchor: DOMRect, origin: () => HTMLElement | null }} place */
function openMutes({ actions }, chat, place) {
  openChoices({
    label: `Mute ${chat.title}`, testId: "mute-menu", ...place,
    choices: MUTES.map(({ label, ms }) => ({ label, icon: "bellOff", testId: `mute-${ms}`, run: () => void actions.own.mute(chat, ms) })),
  });
}

/** @param {import("./shell.js").Rooms} rooms @param {import("/sdk/src/index.js").UserView} user */
export function confirmBlock({ actions }, { user_id, display_name }) {
  const about = `${display_name} can no longer write to you directly, nor see whether you are there. Groups that you share stay as they are.`;
  ask(`Block ${display_name}?`, about, [{ label: "Block", testId: "confirm-block", danger: true, run: () => void actions.own.block(user_id, true) }]);
}
