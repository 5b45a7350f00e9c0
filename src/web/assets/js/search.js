// Whether this server can be searched and says what is behind links, and a text cut where its words were found. No elements.
import { Previews } from "./previews.js";

/** Servers without search do not know the route. @param {import("/sdk/src/index.js").SwitchboardClient} client @param {import("./state.js").State} state */
export async function probeSearch(client, state) {
  if (state.searchable) return;
  const found = await client.search("a", { limit: 1 }).then(() => true, (error) => error.status !== 404 && error.status !== undefined);
  if (found === state.searchable) return;
  state.searchable = found;
  state.changed("open", "me");
}

/** Link previews are off unless the server's owner wants them. @param {import("/sdk/src/index.js").SwitchboardClient} client @param {import("./state.js").State} state */
export async function probePreviews(client, state) {
  // An address that cannot be shown: a server that offers previews refuses it, another does not know the route.
  if (state.previews !== null) return;
  const offered = await client.api.linkPreview("https://").then(() => true, ({ status }) => status === 400 || status === 422);
  if (!offered) return;
  state.previews = new Previews(client, () => state.changed("log"));
  state.changed("log");
}

const BEFORE_CHARS = 40;
const TEXT_CHARS = 220;

/**
 * A text in pieces, those found marked; a long text begins shortly before the first of them.
 * @param {string} text
 * @param {[number, number][]} highlights ascending pairs of offsets
 * @returns {{ text: string, found: boolean }[]}
 */
export function pieces(text, highlights) {
  const first = highlights[0]?.[0] ?? 0;
  const from = first > BEFORE_CHARS * 2 ? first - BEFORE_CHARS : 0;
  const until = Math.min(text.length, from + TEXT_CHARS);
  const parts = [];
  if (from > 0) parts.push({ text: "…", found: false });
  let end = from;
  for (const [start, stop] of highlights) {
    if (start < end || stop > until || stop <= start) continue;
    parts.push({ text: text.slice(end, start), found: false }, { text: text.slice(start, stop), found: true });
    end = stop;
  }
  parts.push({ text: text.slice(end, until) + (until < text.length ? "…" : ""), found: false });
  return parts.filter((part) => part.text !== "");
}
