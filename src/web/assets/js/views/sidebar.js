// Who one is, and the list of chats.
import { fill, h, icon, iconButton } from "../dom.js";
import { openNewChat } from "../dialogs/new_chat.js";
import { openSearch } from "../dialogs/search.js";
import { openSettings } from "../dialogs/settings.js";
import { currentTheme, nextTheme, setTheme } from "../theme.js";
import { avatar } from "./avatar.js";
import { chatListView } from "./chat_list.js";

const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" };
const THEME_NAMES = { auto: "as the system", light: "light", dark: "dark" };

/** @param {import("./shell.js").Rooms} rooms */
export function sidebarView(rooms) {
  const { state } = rooms;
  const who = h("div", { class: "who" });
  const face = h("span", {});
  const filter = h("input", {
    class: "input", type: "search", placeholder: "Find a chat", "aria-label": "Find a chat", "data-testid": "chat-filter",
  });
  const list = chatListView(rooms, () => filter.value.trim().toLowerCase());
  filter.addEventListener("input", list.update);
  const search = iconButton("Search messages", "search", { "data-testid": "search-all", hidden: true, onclick: () => openSearch(rooms, null) });

  function updateMe() {
    const { me } = state;
    search.hidden = !state.searchable;
    if (me === null) return;
    fill(face, avatar(me.user_id, me.display_name, { small: true }));
    fill(who,
      h("h1", { "data-testid": "me" }, me.display_name),
      h("p", { class: "username" }, `@${me.username}`));
  }

  state.on(["me"], updateMe);
  updateMe();
  return h("nav", { class: "sidebar", "aria-label": "Chats" },
    h("div", { class: "sidebar-header" },
      face, who,
      themeButton(),
      iconButton("Settings", "gear", { "data-testid": "settings", onclick: () => openSettings(rooms) }),
      iconButton("Sign out", "signOut", { "data-testid": "sign-out", onclick: rooms.onSignOut }),
      iconButton("New chat", "plus", { class: "new-chat", "data-testid": "new-chat", onclick: () => openNewChat(rooms) })),
    h("div", { class: "chat-filter", role: "search" }, filter, search),
    list.element);
}

function themeButton() {
  const button = iconButton("", "auto", { "data-testid": "theme" });
  function update() {
    const theme = currentTheme();
    const label = `Appearance: ${THEME_NAMES[theme]}`;
    button.setAttribute("aria-label", label);
    button.title = label;
    fill(button, icon(THEME_ICONS[theme]));
  }
  button.addEventListener("click", () => {
    setTheme(nextTheme());
    update();
  });
  update();
  return button;
}
