// Writes deploy/grafana/dashboards/*.json. The JSON is what is shipped and imported; this keeps the
// dashboards alike.   node scripts/dashboards.mjs
import { writeFileSync, mkdirSync } from "node:fs";

const folder = new URL("../deploy/grafana/dashboards/", import.meta.url);
const source = { type: "prometheus", uid: "${datasource}" };
const here = 'job=~"$job", instance=~"$instance"';

const rate = (metric, by, more = "") =>
  `sum by (${by}) (rate(${metric}{${here}${more}}[$__rate_interval]))`;
const quantile = (metric, by = "", more = "", q = "$quantile") =>
  `histogram_quantile(${q}, sum by (${by ? `${by}, ` : ""}le) (rate(${metric}_bucket{${here}${more}}[$__rate_interval])))`;
const value = (metric, by, how = "sum", more = "") => `${how} by (${by}) (${metric}{${here}${more}})`;

/** One panel: title, what it says, unit, queries as [expression, legend], limits. */
const panel = (title, description, unit, queries, more = {}) => ({ title, description, unit, queries, ...more });
const row = (title, ...panels) => ({ title, panels });

const dashboards = {
  overview: {
    title: "Switchboard / Overview",
    rows: [
      row(
        "Now",
        panel("Nodes up", "Nodes that Prometheus reaches.", "none", [[`sum(up{${here}})`, "up"]], { stat: true, thresholds: [[null, "red"], [1, "green"]] }),
        panel("Sockets", "Open sockets of all nodes.", "none", [[`sum(switchboard_connections_open{${here}})`, "open"]], { stat: true }),
        panel("Messages accepted", "Stored and acknowledged.", "ops", [[`sum(rate(switchboard_sends_accepted_total{${here}}[$__rate_interval]))`, "accepted"]], { stat: true }),
        panel("Delivery", "From a message's number to a recipient's socket.", "s", [[quantile("switchboard_delivery_seconds"), "q$quantile"]], { stat: true, thresholds: [[null, "green"], [0.25, "orange"], [1, "red"]] }),
        panel("Refused", "Requests answered retry_later, overloaded or internal.", "ops", [[`sum(rate(switchboard_frame_errors_total{${here}, code=~"retry_later|overloaded|internal"}[$__rate_interval]))`, "refused"]], { stat: true, thresholds: [[null, "green"], [0.1, "orange"], [10, "red"]] }),
        panel("Broken shards", "Shards that stopped because an invariant did not hold. Must be 0.", "none", [[`sum(switchboard_shards_broken_total{${here}})`, "broken"]], { stat: true, thresholds: [[null, "green"], [1, "red"]] }),
      ),
      row(
        "Traffic",
        panel("Sockets by node", "Open sockets.", "none", [[value("switchboard_connections_open", "instance"), "{{instance}}"]]),
        panel("Accepted and delivered", "Messages stored, and entries handed to sockets.", "ops", [[rate("switchboard_sends_accepted_total", "job"), "accepted"], [rate("switchboard_deliveries_total", "job"), "delivered"]]),
        panel("Sockets opened and closed", "Opened, and closed by reason.", "ops", [[rate("switchboard_connections_opened_total", "job"), "opened"], [rate("switchboard_connections_closed_total", "reason"), "closed: {{reason}}"]]),
        panel("REST", "Requests by status.", "reqps", [[rate("switchboard_http_seconds_count", "status"), "{{status}}"]]),
        panel("Refused", "Error frames, refused sign-ins and rate limits, by code.", "ops", [[rate("switchboard_frame_errors_total", "code"), "frame: {{code}}"], [rate("switchboard_sign_in_failures_total", "code"), "sign-in: {{code}}"], [rate("switchboard_rate_limited_total", "limit"), "rate limit: {{limit}}"]]),
        panel("Versions", "Nodes by version.", "none", [[`count by (version) (switchboard_build_info{${here}})`, "{{version}}"]]),
      ),
    ],
  },
  delivery: {
    title: "Switchboard / Delivery",
    rows: [
      row(
        "Time",
        panel("Delivery, end to end", "From a message's number to handing it to a recipient's socket; one hand-over in eight is measured.", "s", [[quantile("switchboard_delivery_seconds"), "q$quantile"], [quantile("switchboard_delivery_seconds", "", "", "0.5"), "median"]], { thresholds: [[null, "green"], [0.25, "orange"], [1, "red"]] }),
        panel("Acceptance", "From receiving a send to its acknowledgement.", "s", [[quantile("switchboard_accept_seconds", "instance"), "{{instance}}"]]),
        panel("Where the time goes", "Commit, waiting in mailboxes, the bridge.", "s", [[quantile("switchboard_commit_seconds"), "commit"], [quantile("switchboard_mailbox_age_seconds"), "mailboxes"], [quantile("switchboard_bridge_lag_seconds"), "bridge"]]),
        panel("Distribution", "Deliveries by how long they took.", "s", [[`sum by (le) (increase(switchboard_delivery_seconds_bucket{${here}}[$__rate_interval]))`, "{{le}}"]], { heatmap: true }),
      ),
      row(
        "Ways",
        panel("Waiting to be stored", "Messages before their commit.", "none", [[value("switchboard_sends_waiting", "instance"), "{{instance}}"]], { thresholds: [[null, "green"], [1000, "red"]] }),
        panel("Accepted, repeated", "Messages stored, and repeats recognised.", "ops", [[rate("switchboard_sends_accepted_total", "instance"), "{{instance}} accepted"], [rate("switchboard_sends_duplicate_total", "instance"), "{{instance}} repeats"]]),
        panel("Delivered", "Entries handed to sockets.", "ops", [[rate("switchboard_deliveries_total", "instance"), "{{instance}}"]]),
        panel("Made up for", "Pages of catch-up, and gaps that were read again.", "ops", [[rate("switchboard_catch_up_pages_total", "instance"), "{{instance}} pages"], [rate("switchboard_gap_repairs_total", "instance"), "{{instance}} gaps"]]),
      ),
      row(
        "Sockets",
        panel("Written", "Bytes to sockets.", "Bps", [[rate("switchboard_delivery_bytes_total", "instance"), "{{instance}}"]]),
        panel("Write calls", "On sockets; several frames leave in one.", "ops", [[rate("switchboard_socket_writes_total", "instance"), "{{instance}}"]]),
        panel("Waiting for peers", "Bytes in the outboxes of all sockets.", "bytes", [[value("switchboard_outbox_bytes", "instance"), "{{instance}}"]]),
        panel("Slow peers", "Sockets closed because their peer did not read, and frames not queued for them.", "ops", [[rate("switchboard_slow_consumers_total", "instance"), "{{instance}} closed"], [rate("switchboard_outbox_refusals_total", "instance"), "{{instance}} frames"]]),
        panel("Come back", "Sockets greeted that had been connected before.", "ops", [[rate("switchboard_reconnects_total", "instance"), "{{instance}}"]]),
        panel("Signals", "Typing, statuses and presence told, and not told for want of room.", "ops", [[rate("switchboard_typing_relayed_total", "job"), "typing"], [rate("switchboard_statuses_told_total", "job"), "statuses"], [rate("switchboard_presence_told_total", "job"), "presence"], [rate("switchboard_signals_shed_total", "signal"), "not told: {{signal}}"]]),
        panel("Scheduled messages", "Whose time had come, by outcome.", "ops", [[rate("switchboard_scheduled_total", "outcome"), "{{outcome}}"]]),
        panel("Invites", "Uses of links that let others in, by outcome.", "ops", [[rate("switchboard_invites_used_total", "outcome"), "{{outcome}}"]]),
        panel("Link previews", "Pages asked for, by outcome.", "ops", [[rate("switchboard_link_previews_total", "outcome"), "{{outcome}}"]]),
        panel("Presence, waiting", "Users whose change of presence waits for its turn.", "none", [[value("switchboard_presence_waiting", "instance"), "{{instance}}"]]),
        panel("Frames received", "From clients, by name.", "ops", [[rate("switchboard_frames_received_total", "frame"), "{{frame}}"]]),
      ),
    ],
  },
  actors: {
    title: "Switchboard / Actors",
    rows: [
      row(
        "Mailboxes",
        panel("Waiting", "How long a probe waits in a mailbox, by kind of actor. A second or more: a thread stands still.", "s", [[quantile("switchboard_mailbox_age_seconds", "kind"), "{{kind}}"]], { thresholds: [[null, "green"], [0.1, "orange"], [1, "red"]] }),
        panel("Depth", "Messages that wait when a probe comes, by kind.", "none", [[quantile("switchboard_mailbox_depth", "kind"), "{{kind}}"]], { thresholds: [[null, "green"], [1024, "red"]] }),
        panel("Refused by full mailboxes", "By kind.", "ops", [[rate("switchboard_mailbox_refusals_total", "kind"), "{{kind}}"]]),
        panel("Waiting, by node", "The slowest kind of each node.", "s", [[`max by (instance) (${quantile("switchboard_mailbox_age_seconds", "instance, kind")})`, "{{instance}}"]]),
      ),
      row(
        "Lives",
        panel("Alive", "Actors by kind.", "none", [[value("switchboard_actors", "kind"), "{{kind}}"]]),
        panel("Panics", "Must be 0: each is a bug.", "none", [[`sum by (kind) (increase(switchboard_actor_panics_total{${here}}[$__rate_interval]))`, "{{kind}}"]], { thresholds: [[null, "green"], [1, "red"]] }),
        panel("Started again", "By the supervisor, after a panic or a lost shard.", "none", [[`sum by (kind) (increase(switchboard_actor_restarts_total{${here}}[$__rate_interval]))`, "{{kind}}"]]),
      ),
    ],
  },
  storage: {
    title: "Switchboard / Storage and ring",
    rows: [
      row(
        "Commits",
        panel("Commit", "From handing a commit to the store to its answer.", "s", [[quantile("switchboard_commit_seconds", "instance"), "{{instance}}"]], { thresholds: [[null, "green"], [0.1, "orange"], [0.5, "red"]] }),
        panel("Commits and entries", "Commits, and the entries in them.", "ops", [[rate("switchboard_commits_total", "job"), "commits"], [rate("switchboard_commit_entries_sum", "job"), "entries"]]),
        panel("Entries per commit", "Groups grow with the load.", "none", [[quantile("switchboard_commit_entries"), "q$quantile"], [`sum(rate(switchboard_commit_entries_sum{${here}}[$__rate_interval])) / sum(rate(switchboard_commit_entries_count{${here}}[$__rate_interval]))`, "mean"]]),
        panel("Ring", "Commits that are not materialised yet, by shard; the ring's slots are the limit.", "none", [[`max by (shard) (switchboard_ring_depth{${here}})`, "shard {{shard}}"], [`max(switchboard_ring_slots{${here}})`, "slots"]]),
        panel("Unknown, fenced, broken", "Commits whose outcome was read back; activations ended by another owner, or by a broken invariant.", "none", [[`sum(increase(switchboard_commits_unknown_total{${here}}[$__rate_interval]))`, "unknown"], [`sum(increase(switchboard_shards_fenced_total{${here}}[$__rate_interval]))`, "fenced"], [`sum(increase(switchboard_shards_broken_total{${here}}[$__rate_interval]))`, "broken"]]),
        panel("Shards", "Owned, and claimed anew.", "none", [[value("switchboard_shards_owned", "instance"), "{{instance}} owned"], [`sum by (instance) (increase(switchboard_shard_take_overs_total{${here}}[$__rate_interval]))`, "{{instance}} claimed"]]),
      ),
      row(
        "Store",
        panel("Time by operation", "Calls of the store.", "s", [[quantile("switchboard_store_seconds", "operation"), "{{operation}}"]], { thresholds: [[null, "green"], [0.5, "red"]] }),
        panel("Calls by operation", "Calls of the store.", "ops", [[rate("switchboard_store_seconds_count", "operation"), "{{operation}}"]]),
        panel("Errors by operation", "Failed, or not answered in time.", "ops", [[rate("switchboard_store_errors_total", "operation"), "{{operation}}"]], { thresholds: [[null, "green"], [0.05, "red"]] }),
        panel("Search, behind", "How long the oldest entry waits that is not indexed yet.", "s", [[value("switchboard_search_lag_seconds", "instance", "max"), "{{instance}}"]]),
        panel("Search, waiting", "Conversations with entries that are not indexed yet.", "none", [[value("switchboard_search_waiting", "instance", "max"), "{{instance}}"]]),
        panel("Search of a cluster", "Commits not in the index yet; requests that OpenSearch did not answer, and messages that it refused.", "none", [[value("switchboard_search_lag_commits", "instance"), "{{instance}} commits"], [`sum(increase(switchboard_search_unanswered_total{${here}}[$__rate_interval]))`, "unanswered"], [`sum(increase(switchboard_search_refused_total{${here}}[$__rate_interval]))`, "refused"]]),
        panel("What goes", "Words of expired messages taken away, and entries that are kept no longer.", "ops", [[rate("switchboard_entries_expired_total", "instance"), "{{instance}} expired"], [rate("switchboard_entries_removed_total", "instance"), "{{instance}} removed"]]),
        panel("Indexed", "Entries brought into the search index.", "ops", [[rate("switchboard_search_indexed_total", "instance"), "{{instance}}"]]),
      ),
    ],
  },
  bridge: {
    title: "Switchboard / Bridge",
    rows: [
      row(
        "Connection",
        panel("Connected", "1 while a node can be heard by the others.", "none", [[value("switchboard_bridge_connected", "instance", "min"), "{{instance}}"]], { thresholds: [[null, "red"], [1, "green"]] }),
        panel("Nodes seen", "Nodes of the cluster that each node sees. Lines that differ: a split.", "none", [[value("switchboard_nodes_alive", "instance", "max"), "{{instance}}"]]),
        panel("Lag", "From sending a heartbeat until it came back.", "s", [[quantile("switchboard_bridge_lag_seconds", "instance"), "{{instance}}"]], { thresholds: [[null, "green"], [0.1, "orange"], [1, "red"]] }),
        panel("Reconnects and doubts", "New connections; times that all heads were compared; memberships that had expired.", "none", [[`sum(increase(switchboard_bridge_reconnects_total{${here}}[$__rate_interval]))`, "reconnects"], [`sum(increase(switchboard_bridge_unsure_total{${here}}[$__rate_interval]))`, "doubts"], [`sum(increase(switchboard_membership_lost_total{${here}}[$__rate_interval]))`, "membership lost"]]),
      ),
      row(
        "Redis",
        panel("Time by operation", "Calls of Redis.", "s", [[quantile("switchboard_redis_seconds", "operation"), "{{operation}}"]]),
        panel("Errors by operation", "Failed, or not answered in time.", "ops", [[rate("switchboard_redis_errors_total", "operation"), "{{operation}}"]]),
        panel("Heartbeats", "Renewing the membership.", "s", [[quantile("switchboard_membership_heartbeat_seconds", "instance"), "{{instance}}"]]),
      ),
      row(
        "Frames",
        panel("Sent and received", "Frames between nodes.", "ops", [[rate("switchboard_bridge_frames_sent_total", "instance"), "{{instance}} sent"], [rate("switchboard_bridge_frames_received_total", "instance"), "{{instance}} received"]]),
        panel("Bytes sent", "Of frames.", "Bps", [[rate("switchboard_bridge_bytes_sent_total", "instance"), "{{instance}}"]]),
        panel("Not sent, not read", "Refused because the bridge was behind or down; frames that could not be read.", "ops", [[rate("switchboard_bridge_frames_refused_total", "instance"), "{{instance}} refused"], [rate("switchboard_bridge_frames_malformed_total", "instance"), "{{instance}} unreadable"]]),
        panel("Forwarded sends", "Handed to the owner of their shard, and handed over again.", "ops", [[rate("switchboard_sends_forwarded_total", "instance"), "{{instance}}"], [rate("switchboard_forwards_repeated_total", "instance"), "{{instance}} again"]]),
        panel("Following", "Conversations whose news a node wants.", "none", [[value("switchboard_conversations_followed", "instance"), "{{instance}}"]]),
        panel("Compared and found", "Heads read from the store in doubt, and those that were ahead.", "ops", [[rate("switchboard_heads_compared_total", "instance"), "{{instance}} compared"], [rate("switchboard_news_missed_total", "instance"), "{{instance}} missed"]]),
      ),
    ],
  },
  capacity: {
    title: "Switchboard / Capacity",
    rows: [
      row(
        "Limits",
        panel("Sockets of the limit", "Open sockets as a share of connections_max.", "percentunit", [[`sum by (instance) (switchboard_connections_open{${here}}) / sum by (instance) (switchboard_connections_max{${here}} > 0)`, "{{instance}}"]], { thresholds: [[null, "green"], [0.85, "red"]] }),
        panel("Descriptors of the limit", "Open descriptors as a share of what the process may have.", "percentunit", [[`sum by (instance) (process_open_fds{${here}}) / sum by (instance) (process_max_fds{${here}})`, "{{instance}}"]], { thresholds: [[null, "green"], [0.85, "red"]] }),
        panel("Disk used", "Of the file system that holds the data directory.", "percentunit", [[`1 - sum by (instance) (switchboard_disk_free_bytes{${here}}) / sum by (instance) (switchboard_disk_size_bytes{${here}})`, "{{instance}}"]], { thresholds: [[null, "green"], [0.9, "red"]] }),
        panel("Certificate", "Until the certificate in use ends; nothing without TLS.", "s", [[`min by (instance) (switchboard_tls_certificate_expiry_timestamp_seconds{${here}} > 0) - time()`, "{{instance}}"]], { thresholds: [[null, "red"], [1209600, "green"]] }),
      ),
      row(
        "Process",
        panel("CPU", "Cores used.", "none", [[rate("process_cpu_seconds_total", "instance"), "{{instance}}"]]),
        panel("Memory", "Resident.", "bytes", [[value("process_resident_memory_bytes", "instance"), "{{instance}}"]]),
        panel("Memory per socket", "Resident memory over open sockets: for estimates, above some thousand sockets.", "bytes", [[`sum by (instance) (process_resident_memory_bytes{${here}}) / sum by (instance) (switchboard_connections_open{${here}} > 0)`, "{{instance}}"]]),
        panel("Messages per core", "Deliveries for each core used.", "ops", [[`sum by (instance) (rate(switchboard_deliveries_total{${here}}[$__rate_interval])) / sum by (instance) (rate(process_cpu_seconds_total{${here}}[$__rate_interval]) > 0)`, "{{instance}}"]]),
        panel("Threads", "Of the process.", "none", [[value("process_threads", "instance"), "{{instance}}"]]),
        panel("Up since", "Time since the process started.", "s", [[`time() - min by (instance) (process_start_time_seconds{${here}})`, "{{instance}}"]]),
        panel("Refused sockets", "By reason.", "ops", [[rate("switchboard_connections_refused_total", "reason"), "{{reason}}"]]),
        panel("Spans", "Of traces: exported, and dropped by reason.", "ops", [[rate("switchboard_spans_exported_total", "job"), "exported"], [rate("switchboard_spans_dropped_total", "reason"), "dropped: {{reason}}"]]),
      ),
    ],
  },
};

const variable = (name, label, query, more = {}) => ({
  name, label, type: "query", datasource: source, definition: query,
  query: { query, refId: name }, refresh: 2, sort: 1, multi: true, includeAll: true, allValue: ".+",
  current: { selected: true, text: ["All"], value: ["$__all"] }, options: [], regex: "", hide: 0, ...more,
});

const templating = {
  list: [
    { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", current: {}, options: [], refresh: 1, regex: "", hide: 0, multi: false, includeAll: false },
    variable("job", "Job", "label_values(switchboard_build_info, job)"),
    variable("instance", "Node", 'label_values(switchboard_build_info{job=~"$job"}, instance)'),
    {
      name: "quantile", label: "Quantile", type: "custom", query: "0.5,0.9,0.95,0.99,0.999", multi: false, includeAll: false, hide: 0,
      current: { selected: true, text: "0.99", value: "0.99" },
      options: ["0.5", "0.9", "0.95", "0.99", "0.999"].map((it) => ({ text: it, value: it, selected: it === "0.99" })),
    },
    { name: "filters", label: "Filters", type: "adhoc", datasource: source, filters: [], hide: 0 },
  ],
};

function thresholds(steps = [[null, "green"]]) {
  return { mode: "absolute", steps: steps.map(([value, color]) => ({ color, value })) };
}

function build(it, id, gridPos) {
  const type = it.stat ? "stat" : it.heatmap ? "heatmap" : "timeseries";
  const targets = it.queries.map(([expr, legendFormat], index) => ({
    refId: String.fromCharCode(65 + index), datasource: source, editorMode: "code", expr, legendFormat, range: true,
    instant: false, ...(it.heatmap ? { format: "heatmap" } : {}),
  }));
  const options = it.stat
    ? { colorMode: it.thresholds ? "background" : "value", graphMode: "area", justifyMode: "auto", orientation: "auto", textMode: "auto", reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false } }
    : it.heatmap
      ? { calculate: false, cellGap: 1, color: { mode: "scheme", scheme: "Oranges", steps: 64, exponent: 0.5, fill: "dark-orange", reverse: false }, yAxis: { unit: it.unit, axisPlacement: "left" }, tooltip: { mode: "single", yHistogram: false }, legend: { show: true } }
      : { legend: { displayMode: "table", placement: "bottom", showLegend: true, calcs: ["lastNotNull", "max"] }, tooltip: { mode: "multi", sort: "desc" } };
  const custom = it.heatmap || it.stat ? {} : {
    drawStyle: "line", lineWidth: 1, fillOpacity: 8, showPoints: "never", spanNulls: false,
    thresholdsStyle: { mode: it.thresholds ? "line" : "off" },
  };
  return {
    id, type, title: it.title, description: it.description, datasource: source, gridPos, targets, options,
    fieldConfig: { defaults: { unit: it.unit, min: 0, custom, color: { mode: it.stat ? "thresholds" : "palette-classic" }, thresholds: thresholds(it.thresholds) }, overrides: [] },
  };
}

mkdirSync(folder, { recursive: true });
for (const [name, dashboard] of Object.entries(dashboards)) {
  const panels = [];
  let id = 1;
  let y = 0;
  for (const { title, panels: inside } of dashboard.rows) {
    panels.push({ id: id++, type: "row", title, collapsed: false, panels: [], gridPos: { h: 1, w: 24, x: 0, y: y++ } });
    let x = 0;
    let height = 0;
    for (const it of inside) {
      const [w, h] = it.stat ? [4, 4] : [inside.length % 3 === 0 ? 8 : 12, 8];
      if (x + w > 24) { x = 0; y += height; }
      panels.push(build(it, id++, { h, w, x, y }));
      x += w;
      height = h;
    }
    y += height;
  }
  const json = {
    uid: `switchboard-${name}`, title: dashboard.title, tags: ["switchboard"], schemaVersion: 41, version: 1, editable: true,
    graphTooltip: 1, refresh: "30s", time: { from: "now-1h", to: "now" }, timepicker: {}, timezone: "browser", weekStart: "",
    fiscalYearStartMonth: 0, liveNow: false, id: null, annotations: { list: [] }, templating, panels,
    links: [{ type: "dashboards", title: "Switchboard", tags: ["switchboard"], asDropdown: true, includeVars: true, keepTime: true, icon: "external link", targetBlank: false, tooltip: "", url: "" }],
  };
  writeFileSync(new URL(`${name}.json`, folder), `${JSON.stringify(json, null, 2)}\n`);
}
