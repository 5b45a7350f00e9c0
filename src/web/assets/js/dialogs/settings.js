// Who one is, who sees what of oneself, and whom one does not want to hear from.
import { fill, h } from "../dom.js";
import { avatar } from "../views/avatar.js";
import { field, formError, onSubmit } from "../views/form.js";
import { dialog } from "./dialog.js";

/** @typedef {import("../views/shell.js").Rooms} Rooms */
/** @typedef {import("/sdk/src/index.js").Settings} Settings */

/** @type {[import("/sdk/src/index.js").Visibility, string][]} */
const VISIBILITY = [["everyone", "Everyone"], ["contacts", "People I chat with"], ["nobody", "Nobody"]];

/** @param {Rooms} rooms */
export function openSettings(rooms) {
  const { state } = rooms;
  const box = dialog("Settings", "settings-dialog");
  const privacy = h("div", { class: "settings-group", hidden: state.settings === null });
  const blocked = h("div", { class: "settings-group", hidden: state.blocked === null });
  const problem = formError();

  /** @param {() => Promise<void>} act */
  const attempt = async (act) => {
    problem.hidden = true;
    try {
      await act();
    } catch (error) {
      problem.textContent = /** @type {Error} */ (error).message;
      problem.hidden = false;
    }
    show();
  };
  const show = () => {
    if (state.settings !== null) showPrivacy(rooms, privacy, state.settings, attempt);
    showBlocked(rooms, blocked, attempt);
  };
  fill(box.body, profileForm(rooms), problem, privacy, blocked);
  show();
  box.follow(state, ["own"], show);
  box.open();
}

/** @param {Rooms} rooms */
function profileForm({ state, actions }) {
  const name = field({ name: "display_name", label: "Your name", attributes: { maxlength: 64, value: state.me?.display_name ?? "", "data-testid": "profile-name" } });
  const status = field({ name: "status_text", label: "About you", attributes: { maxlength: 140, value: state.me?.status_text ?? "", "data-testid": "profile-status" } });
  const general = formError();
  const said = h("span", { class: "quiet-text", role: "status" });
  const button = h("button", { type: "submit", class: "button quiet", "data-testid": "save-profile" }, "Save");
  const form = h("form", { novalidate: true }, name.element, status.element, general, h("div", { class: "dialog-actions" }, said, button));
  onSubmit(form, {
    button, general, fields: [name, status],
    submit: async () => {
      said.textContent = "";
      await actions.own.changeProfile({ display_name: name.input.value.trim(), status_text: status.input.value.trim() });
      said.textContent = "Saved.";
    },
  });
  return form;
}

/** @param {Rooms} rooms @param {HTMLElement} parent @param {Settings} settings @param {(act: () => Promise<void>) => Promise<void>} attempt */
function showPrivacy({ actions }, parent, settings, attempt) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.testid;
  /** @param {"presence" | "last_seen"} name @param {string} label */
  const select = (name, label) => {
    const picker = h("select", {
      class: "input", "data-testid": `privacy-${name}`,
      onchange: () => void attempt(() => actions.own.changeSettings({ [name]: picker.value })),
    }, VISIBILITY.map(([value, text]) => h("option", { value, selected: settings[name] === value }, text)));
    return h("label", { class: "setting" }, h("span", {}, label), picker);
  };
  const receipts = h("input", {
    type: "checkbox", class: "switch", checked: settings.read_receipts, "data-testid": "privacy-receipts",
    onchange: () => void attempt(() => actions.own.changeSettings({ read_receipts: receipts.checked })),
  });
  fill(parent,
    h("h3", { class: "section-title" }, "Privacy"),
    h("label", { class: "setting" }, h("span", {}, "Show when I have read messages", h("span", { class: "hint" }, "When off, you do not see it of others either.")), receipts),
    select("presence", "Who sees whether I am there"),
    select("last_seen", "Who sees when I was last there"));
  if (focused?.startsWith("privacy-")) /** @type {HTMLElement | null} */ (parent.querySelector(`[data-testid="${focused}"]`))?.focus();
}

/** @param {Rooms} rooms @param {HTMLElement} parent @param {(act: () => Promise<void>) => Promise<void>} attempt */
function showBlocked({ state, actions }, parent, attempt) {
  const ids = [...(state.blocked ?? [])];
  fill(parent,
    h("h3", { class: "section-title" }, "Blocked people"),
    ids.length === 0
      ? h("p", { class: "quiet-text" }, "Nobody. Block somebody from the menu of your chat with them.")
      : h("ul", { class: "members", "data-testid": "blocked" }, ids.map((id) => h("li", { class: "member", "data-testid": "blocked-person" },
          avatar(id, state.nameOf(id), { small: true }),
          h("div", { class: "names" }, h("span", {}, state.nameOf(id)), h("span", { class: "username" }, `@${state.users.get(id)?.username ?? ""}`)),
          h("button", { type: "button", class: "button quiet small", "data-testid": "unblock-person", onclick: () => void attempt(() => actions.own.block(id, false)) }, "Unblock")))));
}
