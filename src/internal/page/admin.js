// The page for operators. The token lives in this variable and nowhere else.
let token = "";
let view = "nodes";
let filter = "";

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; text is never read as markup. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") element.addEventListener("click", value);
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

async function ask(path, body) {
  const options = { headers: { authorization: `Bearer ${token}` } };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options).catch(() => {
    throw new Error("The node does not answer.");
  });
  const text = await answer.text();
  const content = text ? JSON.parse(text) : {};
  if (!answer.ok) throw Object.assign(new Error(content.detail ?? content.title), { status: answer.status });
  return content;
}

function say(text, isBad = false) {
  const message = byId("message");
  message.textContent = text;
  message.hidden = text === "";
  message.classList.toggle("bad", isBad);
}

function sure(title, text, yes) {
  byId("sure-title").textContent = title;
  byId("sure-text").textContent = text;
  byId("sure-yes").textContent = yes;
  const dialog = byId("sure");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true });
  });
}

async function act(title, text, yes, path, body, told) {
  if (!(await sure(title, text, yes))) return;
  try {
    const answer = await ask(path, body);
    await show();
    say(told(answer));
  } catch (error) {
    say(error.message, true);
  }
}

function table(columns, rows, nothing) {
  if (rows.length === 0) return make("p", { class: "empty" }, nothing);
  const head = make("tr", {}, ...columns.map(([name]) => make("th", { scope: "col" }, name)));
  const lines = rows.map((row) =>
    make("tr", {}, ...columns.map(([, kind, of]) => {
      const cell = make("td", { class: kind });
      cell.append(...[of(row)].flat().map((part) => part ?? "–"));
      return cell;
    })));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines));
}

const pill = (text, kind = "") => make("span", { class: `pill ${kind}` }, text);
const time = (at) => new Date(at).toLocaleString();

const views = {
  nodes: {
    title: "Nodes",
    tools: () => [make("button", { class: "danger", onclick: drain }, "Drain this node")],
    async body() {
      const { nodes } = await ask("/v1/nodes");
      return table([
        ["Node", "id", (node) => node.node_id],
        ["Internal listener", "", (node) => node.internal],
        ["State", "", (node) => pill(node.state, node.state === "serving" ? "good" : "bad")],
        ["Started", "", (node) => time(node.started_at)],
        ["", "", (node) => (node.is_this ? pill("this node") : "")],
      ], nodes, "No node is known yet.");
    },
  },
  shards: {
    title: "Shards",
    async body() {
      const [{ shards }, { nodes }] = await Promise.all([ask("/v1/shards"), ask("/v1/nodes")]);
      const state = (shard) => {
        if (!shard.is_here) return pill("elsewhere");
        return shard.is_ready ? pill("ready", "good") : pill("not ready", "bad");
      };
      const all = table([
        ["Shard", "", (shard) => String(shard.shard)],
        ["Owner", "id", (shard) => shard.owner],
        ["Here", "", state],
        ["Epoch", "", (shard) => (shard.epoch === null ? null : String(shard.epoch))],
        ["", "actions", (shard) => moves(shard, nodes)],
      ], shards, "There are no shards.");
      if (nodes.length > 1) return all;
      return make("div", {}, all, make("p", { class: "empty" }, "This server is alone: its shards have nowhere to go."));
    },
  },
  actors: {
    title: "Actors",
    async body() {
      const counts = await ask("/v1/actors");
      const { mailboxes } = await ask("/v1/mailboxes");
      const tiles = make("div", { class: "tiles" }, ...Object.entries(counts).map(([kind, count]) =>
        make("div", {}, make("strong", {}, String(count)), kind.replaceAll("_", " "))));
      return make("div", {}, tiles, table([
        ["Mailboxes, last minute", "", (it) => it.kind.replaceAll("_", " ")],
        ["Waited before a probe, at most", "", (it) => String(it.depth_max)],
        ["Longest wait", "", (it) => `${it.age_max_ms} ms`],
        ["Panics", "", (it) => (it.panics ? pill(String(it.panics), "bad") : "0")],
        ["Restarts", "", (it) => String(it.restarts)],
      ], mailboxes, "Nothing was probed yet."));
    },
  },
  conversations: {
    title: "Busiest conversations, last two minutes",
    async body() {
      const { conversations } = await ask("/v1/conversations/busiest?limit=50");
      return table([
        ["Conversation", "id", (it) => it.conversation_id],
        ["Shard", "", (it) => String(it.shard)],
        ["Entries", "", (it) => String(it.entries)],
        ["Deliveries here", "", (it) => String(it.deliveries)],
        ["May be more, at most", "", (it) => String(it.too_high_by)],
      ], conversations, "Nothing was said here lately.");
    },
  },
  connections: {
    title: "Connections",
    tools: () => {
      const input = make("input", { placeholder: "User name", "aria-label": "User name", value: filter });
      const form = make("form", {}, input, make("button", {}, "Show"));
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        filter = input.value.trim();
        show();
      });
      return [form];
    },
    async body() {
      const query = filter ? `?username=${encodeURIComponent(filter)}` : "";
      const { connections, users_online } = await ask(`/v1/connections${query}`);
      byId("title").textContent = `Connections: ${users_online} users online here`;
      return table([
        ["User", "id", (it) => it.user_id],
        ["Device", "id", (it) => it.device_id],
        ["", "", (it) => (it.is_away ? pill("away") : pill("active", "good"))],
        ["", "actions", (it) => [
          make("button", { onclick: () => close(it) }, "Close"),
          make("button", { class: "danger", onclick: () => signOut(it) }, "Sign user out"),
        ]],
      ], connections, "Nobody is connected.");
    },
  },
  log: {
    title: "Audit log",
    async body() {
      const { records } = await ask("/v1/audit-log?limit=200");
      return table([
        ["When", "", (record) => time(record.at)],
        ["What", "", (record) => record.action.replaceAll("_", " ")],
        ["To whom", "id", (record) => record.target],
        ["From", "", (record) => record.from],
      ], records, "No operator has acted yet.");
    },
  },
};

const drain = () => act("Drain this node?",
  "It stops taking sockets, closes those it has in waves, hands its shards over and ends.",
  "Drain", "/v1/drain", {}, () => "The node is going away.");

/** What may be done with a shard: to each other node, or back. */
function moves(shard, nodes) {
  const move = (to, name) => act(`Move shard ${shard.shard}?`,
    to ? `${name} takes it over and keeps it while it serves. What is sent meanwhile waits a moment.`
      : "It goes back to the node that it belongs to by the rules.",
    "Move", "/v1/shards/move", { shard: shard.shard, to }, () => "The shard moves.");
  const others = nodes.filter((node) => node.state === "serving" && node.node_id !== shard.owner);
  const buttons = others.map((node) =>
    make("button", { onclick: () => move(node.node_id, node.internal) }, `To ${node.internal}`));
  if (shard.pinned) {
    buttons.push(make("button", { onclick: () => move(undefined, "") }, "Back to the rules"));
  }
  return buttons;
}

const close = (it) => act("Close this device's socket?",
  "It may connect again at once.",
  "Close", "/v1/connections/close", { user_id: it.user_id, device_id: it.device_id },
  (answer) => `${answer.closed} closed.`);

const signOut = (it) => act("Sign this user out everywhere?",
  "All devices of the user must sign in again.",
  "Sign out", "/v1/users/sign-out", { user_id: it.user_id },
  (answer) => `${answer.devices} devices signed out.`);

async function show() {
  const shown = views[view];
  say("");
  for (const button of document.querySelectorAll("nav button")) {
    if (button.dataset.view === view) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  byId("title").textContent = shown.title;
  byId("tools").replaceChildren(...(shown.tools?.() ?? []));
  try {
    byId("body").replaceChildren(await shown.body());
  } catch (error) {
    byId("body").replaceChildren();
    say(error.message, true);
  }
}

function forget() {
  token = "";
  byId("token").value = "";
  byId("body").replaceChildren();
  byId("console").hidden = true;
  byId("sign-in").hidden = false;
  byId("token").focus();
}

byId("sign-in").querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  try {
    await ask("/v1/nodes");
  } catch (error) {
    token = "";
    const refused = byId("refused");
    refused.textContent = error.status === 401 ? "This is not the admin token." : error.message;
    refused.hidden = false;
    return;
  }
  byId("token").value = "";
  byId("refused").hidden = true;
  byId("sign-in").hidden = true;
  byId("console").hidden = false;
  show();
});
for (const button of document.querySelectorAll("nav button")) {
  button.addEventListener("click", () => {
    view = button.dataset.view;
    show();
  });
}
byId("refresh").addEventListener("click", show);
byId("leave").addEventListener("click", forget);
byId("token").focus();
