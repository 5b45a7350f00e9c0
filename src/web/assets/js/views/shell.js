// The signed-in page: banner, chat list, conversation.
import { fill, h } from "../dom.js";
import { bannerView } from "./banner.js";
import { sidebarView } from "./sidebar.js";
import { chatView } from "./chat_pane.js";

/**
 * @typedef {object} Rooms what every view may use
 * @property {import("/sdk/src/index.js").SwitchboardClient} client
 * @property {import("../state.js").State} state
 * @property {import("../actions.js").Actions} actions
 * @property {import("../drafts.js").Drafts} drafts
 * @property {() => void} onSignOut
 */

/** @param {Rooms} rooms */
export function shellView(rooms) {
  const { state, client } = rooms;
  const main = h("main", { class: "main", id: "conversation" });
  const shell = h("div", { class: "shell", "data-testid": "shell", "data-pane": "list" },
    h("a", { class: "skip-link", href: "#conversation", onclick: skip }, "Skip to the conversation"),
    bannerView(state, client),
    sidebarView(rooms),
    main);
  const chat = chatView(rooms);
  const welcome = h("div", { class: "welcome" },
    h("img", { src: "/icon.svg", alt: "" }),
    h("h2", {}, "Pick a chat"),
    h("p", {}, "Choose one from the list, or start a new one."));

  /** @param {Event} event the address names the open chat, so the link must not change it */
  function skip(event) {
    event.preventDefault();
    const target = /** @type {HTMLElement | null} */ (main.querySelector("textarea") ?? main.querySelector("h2"));
    target?.focus();
  }

  function update() {
    const open = state.open;
    shell.dataset.pane = open === null ? "list" : "chat";
    const wanted = open === null ? welcome : chat.element;
    if (main.firstElementChild !== wanted) fill(main, wanted);
    chat.update();
  }

  function updateTitle() {
    const unread = state.unreadTotal;
    document.title = unread > 0 ? `(${unread}) Switchboard` : "Switchboard";
  }

  state.on(["open"], update);
  state.on(["chats"], updateTitle);
  update();
  updateTitle();
  return shell;
}
