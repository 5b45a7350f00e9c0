// The server under test: one that runs already, or one started for this run.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

const START_TIMEOUT_MS = 30_000;

/** @returns {Promise<{ url: string, stop: () => Promise<void> }>} */
export async function startServer() {
  const { SWITCHBOARD_URL: url, SWITCHBOARD_BIN: binary } = process.env;
  if (url) return { url: url.replace(/\/$/u, ""), stop: async () => {} };
  if (!binary) throw new Error("Set SWITCHBOARD_URL, or SWITCHBOARD_BIN to a server to start.");
  const dataDir = await mkdtemp(path.join(tmpdir(), "switchboard-browser-"));
  const listen = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
  const child = spawn(path.resolve(binary), ["serve", ...listen, "--data-dir", dataDir], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  let exited = false;
  child.once("exit", () => {
    exited = true;
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      const addresses = JSON.parse(await readFile(path.join(dataDir, "addresses.json"), "utf8"));
      return { url: `http://${addresses.public}`, stop };
    } catch {
      if (exited || Date.now() > deadline) {
        await stop();
        throw new Error(exited ? "The server ended before it was ready." : "The server was not ready in time.");
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async function stop() {
    if (!exited) {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await gone;
      clearTimeout(timer);
    }
    await rm(dataDir, { recursive: true, force: true });
  }
}
