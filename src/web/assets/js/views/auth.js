// Signing in and registering.
import { fill, h } from "../dom.js";
import { field, formError, onSubmit } from "./form.js";

/** @typedef {import("/sdk/src/index.js").SwitchboardClient} SwitchboardClient */

/**
 * @param {SwitchboardClient} client
 * @param {{ notice?: string, onSignedIn: () => void }} options
 */
export function authView(client, { notice, onSignedIn }) {
  const card = h("div", { class: "auth-card" });
  const view = h("main", { class: "auth", "data-testid": "auth" }, card);

  /** @param {"login" | "register"} mode @param {boolean} focus */
  function show(mode, focus) {
    const form = mode === "login" ? loginForm(client, onSignedIn) : registerForm(client, onSignedIn);
    const isLogin = mode === "login";
    fill(card,
      h("div", { class: "auth-brand" }, h("img", { src: "/icon.svg", alt: "" }), "Switchboard"),
      h("div", {},
        h("h1", {}, isLogin ? "Welcome back" : "Create your account"),
        h("p", { class: "lead" }, isLogin ? "Sign in to pick up where you left off." : "It takes a name and a password.")),
      notice ? h("p", { class: "form-error", role: "status" }, notice) : null,
      form,
      h("p", { class: "auth-switch" },
        isLogin ? "New here? " : "Already registered? ",
        h("button", {
          type: "button", class: "link-button", "data-testid": isLogin ? "to-register" : "to-login",
          onclick: () => show(isLogin ? "register" : "login", true),
        }, isLogin ? "Create an account" : "Sign in")));
    if (focus) form.querySelector("input")?.focus();
  }
  show("login", false);
  return view;
}

/** @param {SwitchboardClient} client @param {() => void} onSignedIn */
function loginForm(client, onSignedIn) {
  const username = usernameField();
  const password = field({
    name: "password", label: "Password",
    attributes: { type: "password", autocomplete: "current-password", required: true },
  });
  return accountForm({
    testId: "login-form", label: "Sign in", fields: [username, password],
    submit: async () => {
      const name = username.input.value.trim();
      await client.login({ username: name, password: password.input.value, device: deviceName() });
      onSignedIn();
    },
  });
}

/** @param {SwitchboardClient} client @param {() => void} onSignedIn */
function registerForm(client, onSignedIn) {
  const username = usernameField("2 to 32 letters, digits, dots, dashes or underscores.");
  const displayName = field({
    name: "display_name", label: "Display name (optional)", attributes: { autocomplete: "name", maxlength: 64 },
  });
  const password = field({
    name: "password", label: "Password", hint: "At least 8 characters.",
    attributes: { type: "password", autocomplete: "new-password", required: true },
  });
  return accountForm({
    testId: "register-form", label: "Create account", fields: [username, displayName, password],
    submit: async () => {
      await client.register({
        username: username.input.value.trim(),
        password: password.input.value,
        display_name: displayName.input.value.trim() || undefined,
        device: deviceName(),
      });
      onSignedIn();
    },
  });
}

/** @param {string} [hint] */
function usernameField(hint) {
  return field({
    name: "username", label: "Username", hint,
    attributes: { autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true },
  });
}

/** @param {{ testId: string, label: string, fields: ReturnType<typeof field>[], submit: () => Promise<void> }} parts */
function accountForm({ testId, label, fields, submit }) {
  const general = formError();
  const button = h("button", { type: "submit", class: "button primary", "data-testid": "submit" }, label);
  const form = h("form", { "data-testid": testId, novalidate: true, "aria-label": label },
    ...fields.map((one) => one.element), general, button);
  onSubmit(form, { button, fields, general, submit });
  return form;
}

/** What the list of devices calls this browser. */
function deviceName() {
  const agent = navigator.userAgent;
  const browsers = [["Edg/", "Edge"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]];
  const systems = [["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "macOS"], ["Linux", "Linux"]];
  const browser = browsers.find(([mark]) => agent.includes(mark))?.[1] ?? "Browser";
  const system = systems.find(([mark]) => agent.includes(mark))?.[1];
  return system === undefined ? browser : `${browser} on ${system}`;
}
