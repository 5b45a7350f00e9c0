// A small layer above the page next to what it belongs to; at the bottom on a phone.
import { h } from "../dom.js";

const MARGIN_PX = 8;

/** @type {(() => void) | null} */
let closeOpen = null;

/**
 * Opens `content` beside `anchor`. Escape, a press elsewhere, scrolling and resizing close it;
 * the focus goes back to where it was.
 * @param {object} parts
 * @param {string} parts.label
 * @param {string} parts.testId
 * @param {HTMLElement} parts.content
 * @param {DOMRect} parts.anchor
 * @param {() => HTMLElement | null} parts.origin has the focus afterwards
 * @param {boolean} [parts.atEnd] its right edge at the anchor's
 */
export function openPopup({ label, testId, content, anchor, origin, atEnd = false }) {
  closeOpen?.();
  const life = new AbortController();
  const element = h("div", { class: "popup", role: "dialog", "aria-label": label, popover: "manual", "data-testid": testId }, content);
  document.body.append(element);
  element.showPopover();
  place();
  buttons()[0]?.focus({ preventScroll: true });

  /** @param {{ restoreFocus?: boolean }} [options] */
  function close({ restoreFocus = true } = {}) {
    if (life.signal.aborted) return;
    life.abort();
    closeOpen = null;
    const hadFocus = element.contains(document.activeElement) || document.activeElement === document.body;
    element.remove();
    if (restoreFocus && hadFocus) origin()?.focus({ preventScroll: true });
  }

  function place() {
    const { innerWidth, innerHeight } = window;
    const { width, height } = element.getBoundingClientRect();
    const left = atEnd ? anchor.right - width : anchor.left;
    const below = anchor.bottom + MARGIN_PX;
    const top = below + height <= innerHeight - MARGIN_PX ? below : anchor.top - height - MARGIN_PX;
    element.style.setProperty("--left", `${clamp(left, innerWidth - width)}px`);
    element.style.setProperty("--top", `${clamp(top, innerHeight - height)}px`);
  }

  function buttons() {
    return /** @type {HTMLElement[]} */ ([...element.querySelectorAll("button, input")]);
  }

  /** @param {KeyboardEvent} event */
  function key(event) {
    if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      event.stopPropagation();
      close();
      return;
    }
    const target = neighbour(buttons(), document.activeElement, event.key);
    if (target === undefined) return;
    event.preventDefault();
    target.focus();
  }

  const { signal } = life;
  element.addEventListener("keydown", key, { signal });
  const outside = (/** @type {Event} */ event) => {
    if (!element.contains(/** @type {Node} */ (event.target))) close({ restoreFocus: false });
  };
  document.addEventListener("pointerdown", outside, { signal, capture: true });
  document.addEventListener("wheel", outside, { signal, capture: true, passive: true });
  window.addEventListener("resize", () => close(), { signal });
  window.addEventListener("hashchange", () => close({ restoreFocus: false }), { signal });
  closeOpen = () => close({ restoreFocus: false });
  return { close, place };
}

/** @param {number} value @param {number} room */
const clamp = (value, room) => Math.max(MARGIN_PX, Math.min(value, room - MARGIN_PX));

/**
 * The button that an arrow key leads to, by where the buttons stand.
 * @param {HTMLElement[]} buttons @param {Element | null} current @param {string} key
 */
function neighbour(buttons, current, key) {
  const index = buttons.findIndex((button) => button === current);
  if (key === "Home") return buttons[0];
  if (key === "End") return buttons.at(-1);
  if (index === -1) return undefined;
  if (key === "ArrowRight") return buttons[index + 1];
  if (key === "ArrowLeft") return buttons[index - 1];
  if (key !== "ArrowDown" && key !== "ArrowUp") return undefined;
  const here = buttons[index].getBoundingClientRect();
  const down = key === "ArrowDown";
  const rows = buttons.map((button) => ({ button, box: button.getBoundingClientRect() }))
    .filter(({ box }) => (down ? box.top >= here.bottom - 2 : box.bottom <= here.top + 2));
  const edge = down ? Math.min(...rows.map(({ box }) => box.top)) : Math.max(...rows.map(({ box }) => box.top));
  const row = rows.filter(({ box }) => Math.abs(box.top - edge) < 4);
  row.sort((a, b) => Math.abs(a.box.left - here.left) - Math.abs(b.box.left - here.left));
  return row[0]?.button;
}
