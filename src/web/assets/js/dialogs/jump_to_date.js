import { fill, h } from "../dom.js";
import { field, formError, onSubmit } from "../views/form.js";
import { dialog } from "./dialog.js";

/** A day as a date field has it. @param {number} ms */
export function dayValue(ms) {
  const date = new Date(ms);
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** Shows the first message of a day, or the first after it. @param {import("../views/shell.js").Rooms} rooms @param {import("../chat.js").Chat} chat @param {number} [at] */
export function openJumpToDate(rooms, chat, at = Date.now()) {
  const box = dialog("Jump to a date", "date-dialog");
  const day = field({ name: "date", label: "Day", attributes: { type: "date", value: dayValue(at), max: dayValue(Date.now()), required: true } });
  const general = formError();
  const button = h("button", { type: "submit", class: "button primary", "data-testid": "go-to-date" }, "Show");
  const form = h("form", { novalidate: true }, day.element, general, button);
  onSubmit(form, {
    button, general, fields: [day],
    submit: async () => {
      const [year, month, date] = day.input.value.split("-").map(Number);
      if (!date) return day.setError("Pick a day.");
      const seq = await rooms.actions.seqAt(chat, new Date(year, month - 1, date).getTime());
      if (seq === undefined) return day.setError("There is no message from that day or later.");
      box.close();
      rooms.actions.visit(chat.id, seq);
      return undefined;
    },
  });
  fill(box.body, form);
  box.open();
  day.input.focus();
}
