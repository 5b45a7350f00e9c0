// Prints the table of the comparison from the reports in a folder.
import { readFileSync } from "node:fs";
import path from "node:path";

const [folder, ejabberd, prosody] = process.argv.slice(2);

/** @param {string} name */
function report(name) {
  try {
    return JSON.parse(readFileSync(path.join(folder, `${name}.json`), "utf8"));
  } catch {
    return null;
  }
}

/** @param {number | undefined} value @param {number} digits */
const shown = (value, digits = 0) =>
  typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: digits }) : "–";
/** @param {{ p50_us: number, p99_us: number } | undefined} latency */
const latency = (latency) =>
  latency ? `${shown(latency.p50_us / 1000, 1)} / ${shown(latency.p99_us / 1000, 1)}` : "–";
/** @param {any} it */
const sustained = (it) => it?.room?.stages.filter((/** @type {any} */ stage) => stage.is_sustained) ?? [];
/** @param {any} it */
const best = (it) => sustained(it).at(-1);
/** @param {any} it */
const kept = (it) => {
  if (!it) return "–";
  const room = it.room ? `; room ${shown(it.room.archived ?? undefined)} of ${shown(it.room.sent)}` : "";
  return `${shown(it.closed.archived ?? undefined)} of ${shown(it.closed.sent)}${room}`;
};
/** @param {any} it */
const faults = (it) => it && it.closed.faults + it.open.faults + (it.room?.faults ?? 0);
/** @param {any} it */
const problems = (it) => [...it.closed.problems, ...it.open.problems, ...(it.room?.problems ?? [])];

const columns = [
  { title: "Switchboard", it: report("switchboard"), durability: "C: synced to disk, then acknowledged and delivered" },
  { title: ejabberd, it: report("ejabberd"), durability: "B: written to Mnesia's files, synced later" },
  { title: prosody, it: report("prosody"), durability: "B: appended to files, never synced" },
];

/** @type {[string, (it: any) => string][]} */
const rows = [
  ["silent connections", (it) => shown(it.idle?.connections)],
  ["resident KiB of the server each", (it) => shown(it.idle && it.idle.bytes_per_connection / 1024, 1)],
  ["CPU of a core while they are silent, %", (it) => shown(it.idle?.cpu_percent, 2)],
  [`pairs, closed loop: messages/s`, (it) => shown(it.closed.messages_per_s)],
  ["the same: server CPU a message, µs", (it) => shown(it.closed.server_cpu_us_per_message, 1)],
  ["the same: client CPU a message, µs", (it) => shown(it.closed.client_cpu_us_per_message, 1)],
  ["the same: delivered p50 / p99, ms", (it) => latency(it.closed.delivered)],
  ["open loop: messages/s due", (it) => shown(it.open.rate)],
  ["the same: delivered in time, %", (it) => shown(it.open.share * 100, 1)],
  ["the same: delivered p50 / p99 from due time, ms", (it) => latency(it.open.delivered)],
  ["the same: server CPU a message, µs", (it) => shown(it.open.server_cpu_us_per_message, 1)],
  ["room: members", (it) => shown(it.room?.members)],
  ["room: most deliveries/s sustained (p99 up to 100 ms)", (it) => shown(best(it)?.deliveries_per_s)],
  ["the same: p50 / p99, ms", (it) => latency(best(it)?.delivered)],
  ["room: server CPU a delivery, µs, first stage → that stage", (it) => `${shown(it.room?.stages[0]?.server_cpu_us_per_delivery, 1)} → ${shown(best(it)?.server_cpu_us_per_delivery, 1)}`],
  ["archived of sent: first pair; room", kept],
  ["lost, repeated, out of order", (it) => shown(faults(it))],
];

console.log(`| | ${columns.map((column) => column.title).join(" | ")} |`);
console.log(`| --- |${" --- |".repeat(columns.length)}`);
console.log(`| durability | ${columns.map((column) => column.durability).join(" | ")} |`);
for (const [name, of] of rows) {
  console.log(`| ${name} | ${columns.map(({ it }) => (it ? of(it) : "not measured")).join(" | ")} |`);
}
for (const { title, it } of columns) {
  for (const problem of it ? problems(it) : []) console.log(`\n${title}: ${problem}`);
}
