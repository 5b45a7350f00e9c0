// Prints the table of figures from the reports in a folder: figure, goal, measured, verdict.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const [folder] = process.argv.slice(2);

/** @param {string} name */
function report(name) {
  const file = path.join(folder, `${name}.json`);
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null;
  }
}

/** @param {unknown} value @param {number} digits @param {string} unit */
function shown(value, digits, unit) {
  return typeof value === "number" ? `${value.toLocaleString("en", { maximumFractionDigits: digits })}${unit}` : null;
}

/** @type {[string, string, string | null, boolean | null][]} */
const rows = [];

/**
 * @param {string} figure @param {string} goal @param {unknown} value @param {(value: number) => boolean} isReached
 * @param {number} digits @param {string} unit
 */
function row(figure, goal, value, isReached, digits = 0, unit = "") {
  const text = shown(value, digits, unit);
  rows.push([figure, goal, text, text === null ? null : isReached(/** @type {number} */ (value))]);
}

const milliseconds = (/** @type {number | undefined} */ us) => (us === undefined ? undefined : us / 1000);
const idle = report("idle")?.figures;
const bytes = report("bytes")?.figures?.idle;
row("resident bytes per idle connection", "≤ 3,072", bytes?.resident_bytes_per_connection, (it) => it <= 3072);
row("the same with what its user's account takes", "published", idle?.bytes_per_connection, () => true);
row("CPU of a core while they idle", "≤ 1 %", idle?.server_cpu_percent, (it) => it <= 1, 2, " %");
const machine = report("machine");
row("this machine: CPU of a bare send of 122 bytes on loopback", "published", machine?.send_cpu_us, () => true, 2, " µs");
row("the same for each of ten messages in one call", "published", machine?.send_in_ten_cpu_us, () => true, 2, " µs");
row("this machine: fdatasync p50", "published", milliseconds(machine?.sync_p50_us), () => true, 2, " ms");
row("the same: p99", "published", milliseconds(machine?.sync_p99_us), () => true, 2, " ms");

// CPU differs between machines and hours: the goals were set where a bare send takes 2.5 µs.
const SEND_US_OF_GOALS = 2.5;
/** The row before, as bare sends of this machine in this run. @param {number} goalUs @param {number | undefined} us */
function rowInSends(goalUs, us) {
  const sends = us === undefined || !machine ? undefined : us / machine.send_cpu_us;
  const goal = goalUs / SEND_US_OF_GOALS;
  row("the same in bare sends of this machine", `≤ ${goal}`, sends, (it) => it <= goal, 2);
}
const direct = report("direct")?.figures?.direct;
row("one to one, closed loop of 100 pairs: server CPU a message", "≤ 30 µs", direct?.server_cpu_us_per_message, (it) => it <= 30, 1, " µs");
rowInSends(30, direct?.server_cpu_us_per_message);
row("the same: messages/s stored and delivered", "≥ 15,000", direct?.messages_per_s, (it) => it >= 15_000);
const open = report("direct-open")?.figures;
row("open loop 1,000/s: accepted p50", "≤ 2 ms", milliseconds(open?.accepted_latency?.p50_us), (it) => it <= 2, 2, " ms");
row("the same: accepted p99", "≤ 8 ms", milliseconds(open?.accepted_latency?.p99_us), (it) => it <= 8, 2, " ms");
const hot = report("hot-conversation")?.figures;
row("one conversation, 32 senders: numbers/s", "≥ 20,000", hot?.accepted_per_s, (it) => it >= 20_000);
const calm = report("room-10k")?.figures;
row("room of 500: server CPU a delivery at 10,000/s", "≤ 4 µs", calm?.server_cpu_us_per_delivery, (it) => it <= 4, 2, " µs");
rowInSends(4, calm?.server_cpu_us_per_delivery);
const room = report("room")?.figures;
row("room of 500, ladder to 100,000/s: server CPU a delivery", "published", room?.server_cpu_us_per_delivery, () => true, 2, " µs");
const saturated = report("room-saturated");
const readInTime = saturated?.stages?.[0]?.is_sustained ? saturated.figures.delivered_per_s : undefined;
row("room of 500, 1,300 messages/s: deliveries/s, p99 100 ms at most", "> 600,000", readInTime, (it) => it > 600_000);
row("the same: server CPU a delivery", "≤ 1 µs", saturated?.figures?.server_cpu_us_per_delivery, (it) => it <= 1, 2, " µs");
rowInSends(1, saturated?.figures?.server_cpu_us_per_delivery);
const bursts = report("bursts")?.figures;
row("write calls for an entry or answer, one message at a time", "≤ 1.0", calm?.writes_per_frame, (it) => it < 1.005, 3);
row("the same, ten messages on their way", "≤ 0.15", bursts?.writes_per_frame, (it) => it <= 0.15, 3);
const start = report("cold-start")?.figures?.cold_start;
row("cold start to the first message stored, embedded", "≤ 100 ms", start?.median_ms, (it) => it <= 100, 0, " ms");
const storm = report("reconnect-storm")?.figures;
row("reconnect storm: all caught up after", "≤ 15 s", storm?.caught_up_s, (it) => it <= 15, 1, " s");
row("the same: memory, peak to start", "≤ 2", storm ? storm.memory_peak_bytes / storm.memory_start_bytes : undefined, (it) => it <= 2, 2);
const slow = report("slow-consumer")?.figures;
row("5 % of a room of 1,000 asleep: p99 of the others, to before", "≤ 1.2", slow?.p99_ratio_while_some_sleep, (it) => it <= 1.2, 2);
const clusterFile = path.join(folder, "cluster.txt");
const cluster = existsSync(clusterFile) ? readFileSync(clusterFile, "utf8") : "";
const rate = /^([\d.]+) messages\/s, ([\d.]+) entries a commit/mu.exec(cluster);
row("two nodes on Cassandra and Redis: messages/s", "≥ 10,000", rate ? Number(rate[1]) : undefined, (it) => it >= 10_000);
row("the same: entries a commit", "published", rate ? Number(rate[2]) : undefined, () => true, 1);
const clusterOpen = report("cluster-direct-open")?.figures;
row("the same nodes, open loop 1,000/s: accepted p50", "published", milliseconds(clusterOpen?.accepted_latency?.p50_us), () => true, 1, " ms");
row("the same: accepted p99", "≤ 40 ms", milliseconds(clusterOpen?.accepted_latency?.p99_us), (it) => it <= 40, 1, " ms");
const clusterHot = report("cluster-hot-conversation")?.figures;
row("the same nodes, one conversation, 32 senders: numbers/s", "≥ 10,000", clusterHot?.accepted_per_s, (it) => it >= 10_000);

console.log("| figure | goal | measured | reached |");
console.log("| --- | --- | --- | --- |");
for (const [figure, goal, measured, isReached] of rows) {
  const verdict = isReached === null ? "–" : goal === "published" ? "" : isReached ? "yes" : "**no**";
  console.log(`| ${figure} | ${goal} | ${measured ?? "not measured"} | ${verdict} |`);
}
