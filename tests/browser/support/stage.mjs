// One browser, and people in it, each in a profile of their own.
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { Person } from "./person.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const PICTURES = fileURLToPath(new URL("../../../target/browser/", import.meta.url));
/** What a browser says by itself while a network is away or a form is refused. */
const EXPECTED_NOISE = /Failed to load resource|WebSocket connection to|ERR_INTERNET_DISCONNECTED/u;

export const DESKTOP = { viewport: { width: 1180, height: 760 } };
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

/**
 * @typedef {object} Operator
 * @property {import("playwright-core").Page} page
 * @property {(name: string) => Promise<void>} picture
 * @property {() => Promise<void>} leave
 */

export class Stage {
  /** @type {string[]} */
  #complaints = [];
  #lastNumber = 0;
  #run = Date.now().toString(36).slice(-5);

  /** @param {string} url @param {import("playwright-core").Browser} browser */
  constructor(url, browser) {
    this.url = url;
    this.browser = browser;
  }

  /** @param {string} url */
  static async open(url) {
    await mkdir(PICTURES, { recursive: true });
    return new Stage(url, await chromium.launch({ executablePath: CHROMIUM, args: FLAGS }));
  }

  async close() {
    await this.browser.close();
  }

  /**
   * Somebody new, registered and connected.
   * @param {string} displayName
   * @param {import("playwright-core").BrowserContextOptions} [options]
   */
  async person(displayName, options = DESKTOP) {
    const person = await this.visitor(displayName, options);
    await person.register();
    return person;
  }

  /** The same person on another device. @param {Person} person @param {import("playwright-core").BrowserContextOptions} [options] */
  async device(person, options = DESKTOP) {
    const context = await this.browser.newContext({ locale: "en-GB", ...options });
    const page = await context.newPage();
    this.watch(page, `${person.displayName}, second device`);
    await page.goto(this.url);
    const { username, displayName } = person;
    const other = new Person({ stage: this, context, page, username, displayName });
    await other.signIn();
    return other;
  }

  /** Somebody looking at the sign-in page. @param {string} displayName @param {import("playwright-core").BrowserContextOptions} [options] */
  async visitor(displayName, options = DESKTOP) {
    this.#lastNumber += 1;
    const username = `${displayName.split(" ")[0].toLowerCase()}.${this.#run}${this.#lastNumber}`;
    const context = await this.browser.newContext({ locale: "en-GB", ...options });
    const page = await context.newPage();
    this.watch(page, displayName);
    await page.goto(this.url);
    return new Person({ stage: this, context, page, username, displayName });
  }

  /** Somebody looking at the page for operators. @param {string} url @returns {Promise<Operator>} */
  async operator(url) {
    const context = await this.browser.newContext({ locale: "en-GB", ...DESKTOP });
    const page = await context.newPage();
    this.watch(page, "the operator");
    await page.goto(url);
    return { page, picture: (name) => this.picture(page, name), leave: () => context.close() };
  }

  /** Errors of a page fail the test that runs. @param {import("playwright-core").Page} page @param {string} name */
  watch(page, name) {
    page.on("pageerror", (error) => this.#complaints.push(`${name}: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" && !EXPECTED_NOISE.test(message.text())) {
        this.#complaints.push(`${name}: ${message.text()}`);
      }
    });
  }

  assertNoComplaints() {
    const complaints = this.#complaints.splice(0);
    assert.deepEqual(complaints, [], "errors in the pages' consoles");
  }

  /** @param {import("playwright-core").Page} page @param {string} name */
  async picture(page, name) {
    await page.screenshot({ path: path.join(PICTURES, `${name}.png`) });
  }
}
