// Links that let others in, and who may not come back.
import { fill, h, icon, iconButton } from "../dom.js";
import { dayAndTime } from "../format.js";
import { avatar } from "../views/avatar.js";
import { formError } from "../views/form.js";

/** @typedef {import("../chat.js").Chat} Chat */
/** @typedef {import("../views/shell.js").Rooms} Rooms */

const DAY_MS = 86_400_000;
/** @type {[string, string][]} */
const LASTS = [[String(DAY_MS), "1 day"], [String(7 * DAY_MS), "1 week"], [String(30 * DAY_MS), "30 days"]];
/** @type {[string, string][]} */
const USES = [["", "Any number"], ["1", "1 person"], ["10", "10 people"], ["100", "100 people"]];

/** @param {Rooms} rooms @param {Chat} chat */
export function invitesSection({ client, state }, chat) {
  const list = h("ul", { class: "invites", "data-testid": "invites" });
  const made = h("div", { class: "new-invite", "data-testid": "new-invite", hidden: true });
  const problem = formError();
  const lasts = options(LASTS, String(7 * DAY_MS), "invite-lasts", "How long the link works");
  const uses = options(USES, "", "invite-uses", "How many can join by it");
  const button = h("button", { type: "button", class: "button quiet", "data-testid": "create-invite", onclick: () => void attempt(create) }, icon("link"), "Make an invite link");

  /** @param {() => Promise<void>} act */
  async function attempt(act) {
    problem.hidden = true;
    try {
      await act();
      await read();
    } catch (error) {
      problem.textContent = /** @type {Error} */ (error).message;
      problem.hidden = false;
    }
  }

  async function create() {
    const limits = { expires_in_ms: Number(lasts.value), uses_max: uses.value === "" ? undefined : Number(uses.value) };
    const invite = await client.api.createInvite(chat.id, limits);
    const address = new URL(invite.url_path, location.origin).href;
    const field = h("input", { class: "input", readonly: true, value: address, "aria-label": "Invite link", "data-testid": "invite-link", onfocus: () => field.select() });
    const said = h("p", { class: "quiet-text", role: "status" }, "Copy it now: it is shown this once.");
    const copy = h("button", {
      type: "button", class: "button primary", "data-testid": "copy-invite", onclick: () => navigator.clipboard.writeText(address).then(
        () => fill(said, "Copied."),
        () => field.select()),
    }, "Copy");
    made.hidden = false;
    fill(made, h("div", { class: "inline-form" }, field, copy), said);
    copy.focus();
  }

  async function read() {
    const invites = await client.api.invites(chat.id);
    fill(list, invites.map((invite) => h("li", { "data-testid": "invite" },
      h("span", { class: "lines" },
        h("span", {}, `By ${state.nameOf(invite.created_by).replace(/^You$/u, "you")}, until ${dayAndTime(invite.expires_at)}`),
        invite.uses_max ? h("span", { class: "quiet-text" }, `${invite.uses} of ${invite.uses_max} came by it`) : null),
      iconButton("Take this link back", "trash", { "data-testid": "revoke-invite", onclick: () => void attempt(() => client.api.revokeInvite(chat.id, invite.invite_id)) }))));
  }

  void attempt(async () => {});
  return h("details", { class: "fold" },
    h("summary", { "data-testid": "invite-section" }, "Invite links"),
    h("div", { class: "fold-body" }, h("div", { class: "setting-row" }, lasts, uses), button, problem, made, list));
}

/** @param {[string, string][]} choices @param {string} current @param {string} testId @param {string} label */
function options(choices, current, testId, label) {
  return h("select", { class: "input", "aria-label": label, "data-testid": testId },
    choices.map(([value, text]) => h("option", { value, selected: value === current }, text)));
}

/** @param {Rooms} rooms @param {Chat} chat */
export function bansSection({ client, state, actions }, chat) {
  const list = h("ul", { class: "members", "data-testid": "bans" });
  const element = h("div", { class: "settings-group", hidden: true }, h("h3", { class: "section-title" }, "Banned"), list);

  async function read() {
    const bans = await client.api.bans(chat.id).catch(() => []);
    actions.sync.learnUsers(bans.map(({ user_id }) => user_id));
    element.hidden = bans.length === 0;
    fill(list, bans.map(({ user_id, banned_at }) => h("li", { class: "member", "data-testid": "ban" },
      avatar(user_id, state.nameOf(user_id), { small: true }),
      h("div", { class: "names" }, h("span", {}, state.nameOf(user_id)), h("span", { class: "username" }, dayAndTime(banned_at))),
      h("button", { type: "button", class: "button quiet small", "data-testid": "unban", onclick: () => void actions.ban(chat, user_id, false).then(read, read) }, "Lift"))));
  }

  void read();
  return { element, read };
}
