// How a conversation is set: name, description, photo, who writes, how long messages stay.
import { h } from "../dom.js";
import { durationText } from "../format.js";
import { TIMERS } from "../views/composer_menu.js";
import { field, formError, onSubmit } from "../views/form.js";

/** @typedef {import("../chat.js").Chat} Chat */
/** @typedef {import("../views/shell.js").Rooms} Rooms */
/** @typedef {import("/sdk/src/index.js").ConversationPatch} ConversationPatch */

/** @type {[string, string][]} */
const RETENTION = [["", "As the server has it"], ["30", "30 days"], ["365", "1 year"], ["1826", "5 years"], ["0", "For ever"]];

/** @param {Rooms} rooms @param {Chat} chat */
export function describeForm({ actions }, chat) {
  const name = field({ name: "name", label: "Name", attributes: { maxlength: 100, value: chat.name ?? "", "data-testid": "rename" } });
  const description = field({ name: "description", label: "Description", attributes: { maxlength: 1_000, value: chat.description ?? "", "data-testid": "edit-description" } });
  const photo = field({
    name: "photo", label: "Photo", hint: "A web address that begins with https://. Pictures that are not on this server are shown as a link only.",
    attributes: { type: "url", value: chat.photo ?? "", placeholder: "https://", autocomplete: "off", "data-testid": "edit-photo" },
  });
  const general = formError();
  const button = h("button", { type: "submit", class: "button quiet", "data-testid": "save-name" }, "Save");
  const form = h("form", { novalidate: true }, name.element, description.element, photo.element, general, h("div", { class: "dialog-actions" }, button));
  onSubmit(form, {
    button, general, fields: [name, description, photo],
    submit: async () => {
      /** @type {ConversationPatch} */
      const patch = {};
      if (name.input.value.trim() !== (chat.name ?? "")) patch.name = name.input.value.trim();
      if (description.input.value.trim() !== (chat.description ?? "")) patch.description = description.input.value.trim() || null;
      if (photo.input.value.trim() !== (chat.photo ?? "")) patch.photo = photo.input.value.trim() || null;
      if (patch.name === "") return name.setError("Give it a name.");
      if (Object.keys(patch).length > 0) await actions.change(chat, patch);
      return undefined;
    },
  });
  return form;
}

/** @param {Rooms} rooms @param {Chat} chat @param {(change: () => Promise<void>) => Promise<void>} attempt */
export function settingsSection({ actions }, chat, attempt) {
  const mayDisappear = chat.manages || chat.kind === "direct";
  if (!mayDisappear) return null;
  const known = chat.disappearAfterMs;
  const timers = known === undefined || TIMERS.includes(known) ? TIMERS : [...TIMERS, known];
  const retention = String(chat.retentionDays ?? "");
  const kept = RETENTION.some(([value]) => value === retention) ? RETENTION : [...RETENTION, [retention, `${retention} days`]];
  return h("div", { class: "settings-group" },
    picker("New messages disappear", "set-disappear", String(known ?? ""), [["", "Never"], ...timers.map((ms) => [String(ms), `After ${durationText(ms)}`])],
      (value) => ({ disappear_after_ms: value === "" ? null : Number(value) })),
    chat.manages ? picker("Who can write", "set-posting", chat.posting ?? "everyone", [["everyone", "All members"], ["admins", "Owners and admins"]],
      (value) => ({ posting: /** @type {"everyone" | "admins"} */ (value) })) : null,
    chat.manages ? picker("Messages are kept", "set-retention", retention, kept,
      (value) => ({ retention_days: value === "" ? null : Number(value) })) : null);

  /** @param {string} label @param {string} testId @param {string} current @param {string[][]} options @param {(value: string) => ConversationPatch} patch */
  function picker(label, testId, current, options, patch) {
    const select = h("select", {
      class: "input", "data-testid": testId, onchange: () => void attempt(() => actions.change(chat, patch(select.value))),
    }, options.map(([value, text]) => h("option", { value, selected: value === current }, text)));
    return h("label", { class: "setting" }, h("span", {}, label), select);
  }
}
