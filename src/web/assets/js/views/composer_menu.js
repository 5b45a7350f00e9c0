// What else can be done with what is being written: later, or for a while only.
import { openSchedule, openScheduledList } from "../dialogs/scheduled.js";
import { durationText } from "../format.js";
import { openChoices } from "./choices.js";

/** @typedef {import("../chat.js").Chat} Chat */

const MINUTE_MS = 60_000;
/** How long messages may last. */
export const TIMERS = [MINUTE_MS, 60 * MINUTE_MS, 24 * 60 * MINUTE_MS, 7 * 24 * 60 * MINUTE_MS, 28 * 24 * 60 * MINUTE_MS];

/**
 * @param {import("./shell.js").Rooms} rooms @param {Chat} chat
 * @param {{ anchor: DOMRect, origin: () => HTMLElement | null, text: string, onScheduled: () => void }} place
 */
export function openComposerMenu(rooms, chat, { text, onScheduled, ...place }) {
  const { state, actions } = rooms;
  const waiting = actions.own.scheduledIn(chat.id).length;
  openChoices({
    label: "More about this message", testId: "composer-menu", ...place,
    choices: [
      state.scheduled !== null && { label: "Send later", icon: "clock", testId: "send-later", run: () => openSchedule(rooms, chat, { text, onScheduled }) },
      waiting > 0 && { label: "Scheduled messages", icon: "calendar", testId: "scheduled-list", about: String(waiting), run: () => openScheduledList(rooms, chat) },
      chat.posting !== undefined && { label: "Disappearing", icon: "timer", testId: "timer", about: timerText(chat), run: () => openTimers(rooms, chat, place) },
    ],
  });
}

/** @param {Chat} chat */
function timerText({ expiresAfterMs, disappearAfterMs }) {
  const ms = expiresAfterMs ?? disappearAfterMs;
  return ms === undefined ? "Off" : durationText(ms);
}

/** @param {import("./shell.js").Rooms} rooms @param {Chat} chat @param {{ anchor: DOMRect, origin: () => HTMLElement | null }} place */
function openTimers({ state }, chat, place) {
  const usual = chat.disappearAfterMs === undefined ? "They stay" : durationText(chat.disappearAfterMs);
  /** @param {number | null} ms */
  const choose = (ms) => () => {
    chat.expiresAfterMs = ms;
    state.changed("open");
  };
  openChoices({
    label: "My next messages disappear", testId: "timer-menu", ...place,
    choices: [
      { label: "As usual here", about: usual, icon: "check", testId: "timer-off", run: choose(null) },
      ...TIMERS.map((ms) => ({ label: `After ${durationText(ms)}`, icon: "timer", testId: `timer-${ms}`, run: choose(ms) })),
    ],
  });
}
