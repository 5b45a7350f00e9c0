// Fields with labels, hints and errors that assistive technology can follow.
import { SwitchboardError } from "/sdk/src/index.js";
import { h } from "../dom.js";

let lastId = 0;

/**
 * @param {object} options
 * @param {string} options.name of the field in the API; also its test id
 * @param {string} options.label
 * @param {string} [options.hint]
 * @param {Record<string, any>} [options.attributes]
 */
export function field({ name, label, hint, attributes = {} }) {
  lastId += 1;
  const id = `field-${lastId}`;
  const errorId = `${id}-error`;
  const hintId = hint === undefined ? "" : `${id}-hint`;
  const input = h("input", {
    class: "input", id, name, "data-testid": name, "aria-describedby": `${errorId} ${hintId}`.trim(), ...attributes,
  });
  const error = h("p", { class: "field-error", id: errorId, "data-testid": `error-${name}`, hidden: true });
  const element = h("div", { class: "field" },
    h("label", { for: id }, label),
    input,
    hint === undefined ? null : h("p", { class: "hint", id: hintId }, hint),
    error,
  );
  /** @param {string | null} message */
  function setError(message) {
    error.textContent = message ?? "";
    error.hidden = message === null;
    if (message === null) input.removeAttribute("aria-invalid");
    else input.setAttribute("aria-invalid", "true");
  }
  input.addEventListener("input", () => setError(null));
  return { element, input, name, setError };
}

export function formError() {
  return h("p", { class: "form-error", role: "alert", "data-testid": "form-error", hidden: true });
}

/**
 * Puts each complaint next to its field, the rest above the button, and the cursor where help
 * is needed first.
 * @param {unknown} error
 * @param {ReturnType<typeof field>[]} fields
 * @param {HTMLElement} general
 */
export function showErrors(error, fields, general) {
  const problems = error instanceof SwitchboardError ? error.fields : [];
  const byName = new Map(problems.map((problem) => [problem.field, problem.message]));
  for (const one of fields) one.setError(capital(byName.get(one.name) ?? null));
  const shown = fields.filter((one) => byName.has(one.name));
  general.hidden = shown.length > 0 && shown.length === problems.length;
  general.textContent = error instanceof Error ? error.message : "Something went wrong.";
  shown[0]?.input.focus();
}

/** @param {string | null} text */
function capital(text) {
  return text === null ? null : text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * Runs a submit handler with its button held, and its complaints shown.
 * @param {HTMLFormElement} form
 * @param {{ button: HTMLButtonElement, fields: ReturnType<typeof field>[], general: HTMLElement,
 *   submit: () => Promise<void> }} parts
 */
export function onSubmit(form, { button, fields, general, submit }) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    general.hidden = true;
    for (const one of fields) one.setError(null);
    button.disabled = true;
    try {
      await submit();
    } catch (error) {
      showErrors(error, fields, general);
    } finally {
      button.disabled = false;
    }
  });
}
