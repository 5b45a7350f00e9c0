// What one person does and sees.
import assert from "node:assert/strict";

export const WAIT_MS = Number(process.env.WAIT_MS ?? 60_000);
const PASSWORD = "plum-orbit-kettle-42";

/** @typedef {{ seq: number | null, id: string, text: string, state: string | null, kind: string }} Row */

/** @param {string} name */
export const testId = (name) => `[data-testid="${name}"]`;

export class Person {
  /**
   * @param {object} parts
   * @param {import("./stage.mjs").Stage} parts.stage
   * @param {import("playwright-core").BrowserContext} parts.context
   * @param {import("playwright-core").Page} parts.page
   * @param {string} parts.username
   * @param {string} parts.displayName
   */
  constructor({ stage, context, page, username, displayName }) {
    this.stage = stage;
    this.context = context;
    this.page = page;
    this.username = username;
    this.displayName = displayName;
    this.password = PASSWORD;
    page.setDefaultTimeout(WAIT_MS);
  }

  // === signing in ===

  async register() {
    await this.page.click(testId("to-register"));
    await this.page.fill(testId("username"), this.username);
    await this.page.fill(testId("display_name"), this.displayName);
    await this.page.fill(testId("password"), this.password);
    await this.#submit("/v1/register");
  }

  async signIn() {
    await this.page.fill(`${testId("login-form")} ${testId("username")}`, this.username);
    await this.page.fill(testId("password"), this.password);
    await this.#submit("/v1/login");
  }

  /** Many registrations from one address may be asked to wait. @param {string} route */
  async #submit(route) {
    for (let attempt = 0; ; attempt += 1) {
      const answered = this.page.waitForResponse((response) => response.url().endsWith(route));
      await this.page.click(testId("submit"));
      const response = await answered;
      if (response.ok()) break;
      const text = await response.text();
      assert.ok(response.status() === 429 && attempt < 20, `${route} answered ${response.status()}: ${text}`);
      await this.page.waitForTimeout(JSON.parse(text).retry_after_ms ?? 1_000);
    }
    await this.page.waitForSelector(testId("shell"));
    await this.connected();
  }

  connected() {
    return this.status("connected");
  }

  /** @param {string} status */
  async status(status) {
    await this.page.waitForSelector(`${testId("status-banner")}[data-status="${status}"]`, { state: "attached" });
  }

  /** Asks the server as this person, without the page. @param {string} method @param {string} path @param {object} [body] */
  async api(method, path, body) {
    const session = await this.session();
    for (;;) {
      const response = await fetch(this.stage.url + path, {
        method,
        headers: { "content-type": "application/json", authorization: `Bearer ${session.access_token}` },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await response.text();
      const value = text === "" ? null : JSON.parse(text);
      if (response.ok) return value;
      assert.equal(response.status, 429, `${method} ${path}: ${text}`);
      await new Promise((resolve) => setTimeout(resolve, (value.retry_after_ms ?? 200) + 20));
    }
  }

  async session() {
    const text = await this.page.evaluate(() => localStorage.getItem("switchboard.session"));
    return JSON.parse(/** @type {string} */ (text));
  }

  // === chats ===

  /** @param {Person} other */
  async startDirect(other) {
    await this.page.click(testId("new-chat"));
    await this.page.fill(`${testId("new-chat-dialog")} ${testId("person")}`, other.username);
    await this.page.click(testId("create-chat"));
    await this.page.waitForSelector(testId("new-chat-dialog"), { state: "detached" });
    await this.inChat(other.displayName);
  }

  /** @param {string} name @param {Person[]} others */
  async createGroup(name, others) {
    await this.page.click(testId("new-chat"));
    await this.page.check(testId("kind-group"), { force: true });
    await this.page.fill(testId("group-name"), name);
    for (const other of others) {
      await this.page.fill(`${testId("new-chat-dialog")} ${testId("person")}`, other.username);
      await this.page.click(testId("add-person"));
      await this.page.waitForSelector(`${testId("chips")} >> text=${other.displayName}`);
    }
    await this.page.click(testId("create-chat"));
    await this.inChat(name);
  }

  /** @param {string} title */
  async open(title) {
    await this.page.click(`${testId("chat-item")}[data-name="${title}"]`);
    await this.inChat(title);
  }

  /** @param {string} title */
  async inChat(title) {
    await this.page.waitForFunction(
      ([selector, wanted]) => document.querySelector(selector)?.textContent === wanted,
      [testId("chat-title"), title],
    );
  }

  /** Writes without waiting for the server. @param {string} text */
  async write(text) {
    await this.page.fill(testId("composer"), text);
    await this.page.press(testId("composer"), "Enter");
  }

  // === what is to be seen ===

  /** @returns {Promise<Row[]>} the timeline from top to bottom, entries and messages under way */
  rows() {
    return this.page.evaluate(() =>
      [...document.querySelectorAll('[data-testid="timeline"] [data-message-id]')].map((row) => {
        const element = /** @type {HTMLElement} */ (row);
        return {
          seq: element.dataset.seq === undefined ? null : Number(element.dataset.seq),
          id: element.dataset.messageId ?? "",
          text: element.querySelector('[data-testid="message-text"]')?.textContent ?? element.textContent ?? "",
          state: element.dataset.state ?? null,
          kind: element.dataset.testid ?? "",
        };
      }));
  }

  async messages() {
    return (await this.rows()).filter(({ kind }) => kind === "message");
  }

  /**
   * Waits until the messages are those texts, in any order, all with a number.
   * @param {(texts: string[]) => boolean} condition
   * @param {string} what
   */
  async until(condition, what) {
    const deadline = Date.now() + WAIT_MS;
    let rows = await this.messages();
    while (!(rows.every(({ seq }) => seq !== null) && condition(rows.map(({ text }) => text)))) {
      if (Date.now() > deadline) {
        const waiting = rows.filter(({ seq }) => seq === null).length;
        assert.fail(`${this.displayName} never saw ${what}: ${rows.length} messages, ${waiting} without a number`);
      }
      await this.page.waitForTimeout(50);
      rows = await this.messages();
    }
    return rows;
  }

  /** @param {string[]} wanted */
  sees(wanted) {
    return this.until((texts) => wanted.every((text) => texts.includes(text)), `all of ${wanted.length} messages`);
  }

  /** Scrolls up until the conversation's beginning, or the given number, is on the page. @param {number} seq */
  async scrollUpTo(seq) {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const first = (await this.rows()).find((row) => row.seq !== null)?.seq ?? Infinity;
      if (first <= seq) return;
      assert.ok(Date.now() < deadline, `${this.displayName} never reached number ${seq}, only ${first}`);
      await this.page.$eval(testId("timeline"), (element) => element.scrollTo(0, 0));
      await this.page.waitForTimeout(60);
    }
  }

  /** Waits until this is what stands where messages are written. @param {string} text */
  composes(text) {
    return this.eventually(() => this.page.inputValue(testId("composer")), text, "the composer");
  }

  // === one message ===

  /** @param {string} text @param {string} [part] a test id within it */
  message(text, part) {
    const row = this.page.locator(testId("message")).filter({ has: this.page.locator(testId("message-text")).getByText(text, { exact: true }) });
    return part === undefined ? row : row.locator(testId(part));
  }

  /** Opens the menu of a message with the mouse, and picks. @param {string} text @param {string} [choice] */
  async menu(text, choice) {
    await this.message(text).locator(".bubble").hover();
    await this.message(text, "more").click();
    await this.page.waitForSelector(testId("message-menu"));
    if (choice !== undefined) await this.page.click(`${testId("message-menu")} ${testId(choice)}`);
  }

  /** @param {string} text @param {string} emoji */
  async react(text, emoji) {
    await this.menu(text);
    await this.page.click(`${testId("message-menu")} [data-emoji="${emoji}"]`);
  }

  /** The reactions under a message, as text. @param {string} text */
  async reactions(text) {
    return this.message(text, "reaction").evaluateAll((all) =>
      all.map((one) => `${one.textContent}${one.getAttribute("aria-pressed") === "true" ? " own" : ""}`));
  }

  /** Waits until a question has the wanted answer. @template T @param {() => Promise<T>} ask @param {T} wanted @param {string} what */
  async eventually(ask, wanted, what) {
    const deadline = Date.now() + WAIT_MS;
    for (;;) {
      const answer = await ask();
      if (JSON.stringify(answer) === JSON.stringify(wanted)) return;
      assert.ok(Date.now() < deadline, `${this.displayName}: ${what}: ${JSON.stringify(answer)}`);
      await this.page.waitForTimeout(50);
    }
  }

  /** @param {string} name */
  picture(name) {
    return this.stage.picture(this.page, name);
  }

  async leave() {
    await this.context.close();
  }
}

/** Numbers rise by one from row to row; nothing is there twice. @param {Row[]} rows @param {string} who */
export function assertGapless(rows, who) {
  const seqs = rows.map(({ seq }) => seq);
  const expected = seqs.map((_, index) => /** @type {number} */ (seqs[0]) + index);
  assert.deepEqual(seqs, expected, `${who}: numbers are gapless and in order`);
  assert.equal(new Set(rows.map(({ id }) => id)).size, rows.length, `${who}: nothing twice`);
}

/** @param {Row[]} one @param {Row[]} other */
export function assertSame(one, other) {
  // Lines such as "You added Bob" differ by who reads them.
  const facts = (/** @type {Row[]} */ rows) =>
    rows.map(({ seq, id, text, kind }) => [seq, id, kind === "message" ? text : kind]);
  assert.deepEqual(facts(one), facts(other), "both windows show the same order");
}

/** @param {Row[]} rows @param {string[]} written in this order, by one person */
export function assertWritten(rows, written) {
  const own = rows.map(({ text }) => text).filter((text) => written.includes(text));
  assert.deepEqual(own, written, "each person's messages keep the order they were written in");
}

/** @param {string} prefix @param {number} count */
export const texts = (prefix, count) => Array.from({ length: count }, (_, index) => `${prefix} ${index + 1}`);
