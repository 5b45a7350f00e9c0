// A server and a browser for the tests of one file.
import { after, afterEach, before } from "node:test";
import { startServer } from "./server.mjs";
import { Stage } from "./stage.mjs";

/**
 * Starts both before the first test of the file and ends them after the last; after each, no page
 * may have complained.
 */
export function suite() {
  /** @type {Awaited<ReturnType<typeof startServer>> | undefined} */
  let server;
  /** @type {Stage} */
  let stage;

  before(async () => {
    server = await startServer();
    stage = await Stage.open(server.url);
  });

  after(async () => {
    await stage?.close();
    await server?.stop();
  });

  afterEach(() => stage.assertNoComplaints());

  return {
    get server() {
      return server;
    },
    get stage() {
      return stage;
    },
    operator() {
      if (!server?.operator) throw new Error("The server is not one of our own.");
      return server.operator();
    },
  };
}
