// Starting a direct chat, a group or a channel.
import { fill, h, iconButton } from "../dom.js";
import { field, formError, onSubmit, showErrors } from "../views/form.js";
import { dialog } from "./dialog.js";

/** @typedef {"direct" | "group" | "channel"} Kind */
/** @typedef {import("/sdk/src/index.js").UserView} UserView */

const KINDS = /** @type {[Kind, string][]} */ ([["direct", "Direct"], ["group", "Group"], ["channel", "Channel"]]);

/** @param {import("../views/shell.js").Rooms} rooms */
export function openNewChat(rooms) {
  const box = dialog("New chat", "new-chat-dialog");
  const content = h("div", {});
  /** @param {Kind} kind */
  const show = (kind) => fill(content, kind === "direct" ? directForm(rooms, box.close) : groupForm(rooms, kind, box.close));
  const choices = KINDS.map(([kind, label]) =>
    h("label", {}, h("input", {
      type: "radio", name: "kind", value: kind, checked: kind === "direct", "data-testid": `kind-${kind}`,
      onchange: () => show(kind),
    }), label));
  fill(box.body, h("fieldset", { class: "segmented" }, h("legend", { class: "visually-hidden" }, "Kind of chat"), choices), content);
  show("direct");
  box.open();
  content.querySelector("input")?.focus();
}

/** @param {import("../views/shell.js").Rooms} rooms @param {() => void} close */
function directForm({ actions }, close) {
  const username = usernameField("Username", "The exact name of the person.");
  const general = formError();
  const button = h("button", { type: "submit", class: "button primary", "data-testid": "create-chat" }, "Start chat");
  const form = h("form", { novalidate: true }, username.element, general, button);
  onSubmit(form, {
    button, general, fields: [username],
    submit: async () => {
      const user = await actions.findUser(username.input.value);
      location.hash = await actions.create("direct", [user.user_id]);
      close();
    },
  });
  return form;
}

/** @param {import("../views/shell.js").Rooms} rooms @param {Kind} kind @param {() => void} close */
function groupForm({ actions }, kind, close) {
  /** @type {Map<string, UserView>} */
  const chosen = new Map();
  const name = field({ name: "name", label: "Name", attributes: { maxlength: 100, required: true, "data-testid": "group-name" } });
  const username = usernameField("Add people", "Exact usernames, one at a time.");
  const add = h("button", { type: "button", class: "button quiet", "data-testid": "add-person" }, "Add");
  const chips = h("div", { class: "chips", "data-testid": "chips" });
  const general = formError();
  const button = h("button", { type: "submit", class: "button primary", "data-testid": "create-chat" }, kind === "group" ? "Create group" : "Create channel");

  function showChips() {
    fill(chips, [...chosen.values()].map((user) =>
      h("span", { class: "chip" }, user.display_name, iconButton(`Remove ${user.display_name}`, "close", {
        onclick: () => {
          chosen.delete(user.user_id);
          showChips();
          username.input.focus();
        },
      }))));
  }

  async function addPerson() {
    general.hidden = true;
    const user = await actions.findUser(username.input.value);
    chosen.set(user.user_id, user);
    username.input.value = "";
    showChips();
  }

  /** @param {Event} event */
  async function tryAdd(event) {
    event.preventDefault();
    try {
      await addPerson();
    } catch (error) {
      showErrors(error, [], general);
    }
    username.input.focus();
  }

  add.addEventListener("click", tryAdd);
  username.input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && username.input.value.trim() !== "") void tryAdd(event);
  });
  const inline = h("div", { class: "inline-form" });
  username.input.replaceWith(inline);
  inline.append(username.input, add);
  const form = h("form", { novalidate: true }, name.element, username.element, chips, general, button);
  onSubmit(form, {
    button, general, fields: [name, username],
    submit: async () => {
      if (name.input.value.trim() === "") {
        name.setError("Give it a name.");
        name.input.focus();
        return;
      }
      // A name typed but not added yet is meant.
      if (username.input.value.trim() !== "") await addPerson();
      location.hash = await actions.create(kind, [...chosen.keys()], name.input.value.trim());
      close();
    },
  });
  return form;
}

/** @param {string} label @param {string} hint */
function usernameField(label, hint) {
  return field({
    name: "username", label, hint,
    attributes: { autocapitalize: "none", autocomplete: "off", spellcheck: "false", "data-testid": "person" },
  });
}
