// Messages to be sent later: making one, what waits, changing and taking back.
import { fill, h } from "../dom.js";
import { contentText, dayAndTime } from "../format.js";
import { mentionsIn } from "../mentions.js";
import { field, formError, onSubmit } from "../views/form.js";
import { dialog } from "./dialog.js";
import { dayValue } from "./jump_to_date.js";

/** @typedef {import("../views/shell.js").Rooms} Rooms */
/** @typedef {import("../chat.js").Chat} Chat */
/** @typedef {import("/sdk/src/index.js").Scheduled} Scheduled */

/** @param {number} ms as a field for day and time has it */
const timeValue = (ms) => `${dayValue(ms)}T${new Date(ms).toTimeString().slice(0, 5)}`;

/** @returns {{ label: string, at: number }[]} */
function presets() {
  const now = new Date();
  const at = (/** @type {number} */ days, /** @type {number} */ hour) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour).getTime();
  const toMonday = (8 - now.getDay()) % 7 || 7;
  return [
    { label: "In an hour", at: Date.now() + 3_600_000 },
    { label: "Tomorrow, 9:00", at: at(1, 9) },
    { label: "Monday, 9:00", at: at(toMonday, 9) },
  ];
}

/**
 * @param {Rooms} rooms @param {Chat} chat
 * @param {{ text: string, onScheduled?: () => void, changing?: Scheduled }} what
 */
export function openSchedule(rooms, chat, { text, onScheduled = () => {}, changing }) {
  const { own } = rooms.actions;
  const box = dialog(changing === undefined ? "Send later" : "Change scheduled message", "schedule-dialog");
  const said = h("textarea", { class: "input", rows: "3", "aria-label": "Message", "data-testid": "schedule-text" });
  said.value = text;
  const time = field({
    name: "send_at", label: "When",
    attributes: { type: "datetime-local", value: timeValue(changing?.send_at ?? presets()[1].at), min: timeValue(Date.now()), required: true },
  });
  const quick = h("div", { class: "presets", role: "group", "aria-label": "Suggested times" }, presets().map(({ label, at }) =>
    h("button", {
      type: "button", class: "button quiet", onclick: () => {
        time.input.value = timeValue(at);
      },
    }, label)));
  const general = formError();
  const button = h("button", { type: "submit", class: "button primary", "data-testid": "schedule" }, changing === undefined ? "Schedule" : "Save");
  const form = h("form", { novalidate: true }, said, time.element, quick, general, button);
  onSubmit(form, {
    button, general, fields: [time],
    submit: async () => {
      const sendAt = new Date(time.input.value).getTime();
      const content = said.value.trim();
      if (content === "") throw new Error("Write something first.");
      if (!(sendAt > Date.now())) return time.setError("Pick a time to come.");
      if (changing !== undefined) {
        await own.reschedule(changing.scheduled_id, { content, send_at: sendAt });
      } else {
        const { mentions } = mentionsIn(content, chat.members ?? []);
        await own.schedule(chat, content, { send_at: sendAt, mentions, reply_to: chat.replyTo ?? undefined });
        onScheduled();
      }
      box.close();
      return undefined;
    },
  });
  fill(box.body, form);
  box.open();
  (text === "" ? said : time.input).focus();
}

/** @param {Rooms} rooms @param {Chat} chat */
export function openScheduledList(rooms, chat) {
  const { own } = rooms.actions;
  const box = dialog("Scheduled messages", "scheduled-dialog");
  const list = h("ul", { class: "scheduled", "data-testid": "scheduled" });
  const problem = formError();
  const show = () => {
    const items = own.scheduledIn(chat.id);
    fill(list, items.length === 0 ? h("li", { class: "quiet-text" }, "Nothing waits to be sent.") : items.map(item));
  };

  /** @param {Scheduled} one */
  function item(one) {
    const when = one.state === "failed" ? `Not sent (${(one.failure ?? "unknown").replaceAll("_", " ")}), was due ${dayAndTime(one.send_at)}` : dayAndTime(one.send_at);
    return h("li", { "data-testid": "scheduled-item" },
      h("p", { dir: "auto", class: "said" }, contentText(one.content)),
      h("p", { class: one.state === "failed" ? "field-error" : "quiet-text" }, when),
      h("div", { class: "item-actions" },
        h("button", { type: "button", class: "link-button", "data-testid": "change-scheduled", onclick: () => change(one) }, one.state === "failed" ? "Try again" : "Change"),
        h("button", { type: "button", class: "link-button danger", "data-testid": "cancel-scheduled", onclick: () => void cancel(one) }, "Cancel message")));
  }

  /** @param {Scheduled} one */
  function change(one) {
    box.close();
    openSchedule(rooms, chat, { text: contentText(one.content), changing: one });
  }

  /** @param {Scheduled} one */
  async function cancel(one) {
    try {
      await own.cancel(one.scheduled_id);
    } catch (error) {
      problem.textContent = /** @type {Error} */ (error).message;
      problem.hidden = false;
    }
    show();
  }

  fill(box.body, problem, list);
  show();
  box.follow(rooms.state, ["own"], show);
  box.open();
}
