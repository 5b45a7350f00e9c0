/** @typedef {{ key: string, signature: string }} Item */

/**
 * Makes the children of `parent` show `items`: keeps what is unchanged, replaces what differs,
 * moves what moved. Focus survives on elements that stay.
 * @template {Item} T
 * @param {Element} parent
 * @param {Map<string, { element: HTMLElement, signature: string }>} nodes by key; kept by the caller
 * @param {T[]} items
 * @param {(item: T) => HTMLElement} render
 */
export function patchChildren(parent, nodes, items, render) {
  const focused = document.activeElement;
  const wanted = new Set(items.map(({ key }) => key));
  for (const [key, { element }] of nodes) {
    if (wanted.has(key)) continue;
    element.remove();
    nodes.delete(key);
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const known = nodes.get(item.key);
    if (known?.signature === item.signature) {
      if (known.element === place) place = place.nextElementSibling;
      else parent.insertBefore(known.element, place);
      continue;
    }
    const element = render(item);
    if (known === undefined) {
      parent.insertBefore(element, place);
    } else {
      if (known.element === place) place = place.nextElementSibling;
      replace(known.element, element, focused);
      if (element.nextElementSibling !== place) parent.insertBefore(element, place);
    }
    nodes.set(item.key, { element, signature: item.signature });
  }
  // Moving an element takes its focus away.
  if (focused !== document.activeElement && focused instanceof HTMLElement && parent.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

/** @param {HTMLElement} before @param {HTMLElement} after @param {Element | null} focused */
function replace(before, after, focused) {
  const hadFocus = focused !== null && before.contains(focused);
  before.replaceWith(after);
  if (!hadFocus) return;
  if (after.tabIndex >= -1 && focused === before) after.focus({ preventScroll: true });
  else after.querySelector("button")?.focus({ preventScroll: true });
}
