// node walk.mjs BROWSER ADDRESS FOLDER
// A person's walk through the web chat by keyboard alone, with pictures in FOLDER; prints what was seen as JSON.
// Fails when the page logs an error, asks anything of the network outside of this machine, or axe finds a violation.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [browser, address, folder] = process.argv.slice(2);
const axe = await readFile(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const troubles = [];
const CLEAR = /192\.0\.2\.10: clear again/;
const seen = { audits: 0, timings: {} };

const chrome = await chromium.launch({ executablePath: browser, args: ["--no-sandbox", "--disable-gpu"] });
try {
  await desktop(await opened({ width: 1280, height: 860 }));
  await phone(await opened({ width: 360, height: 740 }, { hasTouch: true, isMobile: true }));
  await dark(await opened({ width: 1280, height: 860 }, { colorScheme: "dark" }));
  await withoutScript(await opened({ width: 1280, height: 860 }, { javaScriptEnabled: false }));
} catch (error) {
  troubles.push(error.stack);
} finally {
  await chrome.close();
}
console.log(JSON.stringify(seen));
if (troubles.length) {
  console.error(troubles.join("\n"));
  process.exitCode = 1;
}

async function desktop(page) {
  await page.goto(address);
  await page.getByRole("heading", { name: "Is this address on a blocklist?" }).waitFor();
  await keep(page, "web-first-visit");
  const begun = Date.now();
  await page.keyboard.type("192.0.2.66 example.com");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /on Spamhaus ZEN/ }).waitFor();
  seen.timings.first_answer_ms = Date.now() - begun;
  check((await page.locator(".composer textarea").inputValue()) === "", "the field is empty after sending");
  await keep(page, "web-answer");

  await tabTo(page, "Check again", true);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /on Spamhaus ZEN/ }).nth(1).waitFor();
  check(await focusIsIn(page, ".message"), "focus stays on the button that was pressed");
  await awayAndBack(page);

  await page.locator(".log").focus();
  await page.keyboard.press("/");
  await page.getByRole("option").first().waitFor();
  await keep(page, "web-commands");
  await page.keyboard.type("mailcheck li");
  await page.keyboard.press("Tab");
  check((await page.locator(".composer textarea").inputValue()) === "/mailcheck lists", "Tab takes the command");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /blocklists are working/ }).waitFor();

  await alerts(page);
  await page.goto(`${address}/dashboard`);
  await page.getByText("blocklists are working").waitFor();
  await page.getByText("192.0.2.66 · example.com").first().waitFor();
  await page.getByText("Watches stay within the limits of every list").waitFor();
  await keep(page, "web-dashboard");
  await status(page);
}

// For those who may only look: the same overview, with nothing to press.
async function status(page) {
  await page.goto(`${address}/status`);
  await page.getByRole("heading", { name: /1 name server in use/ }).waitFor();
  check((await page.locator("form, button, input, nav").count()) === 0, "nothing can be pressed where people only look");
  check((await page.getByText("192.0.2.66 · example.com").count()) === 0, "nothing is shown of what people asked");
  await keep(page, "web-status");
}

// A page that nobody sees lets go of its connection, and knows what came meanwhile as soon as it is seen again.
async function awayAndBack(page) {
  await shown(page, "hidden");
  const other = await page.context().newPage();
  await other.goto(`${address}/c/mail`);
  await other.keyboard.type("192.0.2.10");
  await other.keyboard.press("Enter");
  await other.getByRole("heading", { name: /192\.0\.2\.10: no problems found/ }).waitFor();
  await other.close();
  const told = page.getByRole("heading", { name: /192\.0\.2\.10: no problems found/ });
  check((await told.count()) === 0, "a page that nobody sees hears nothing");
  await shown(page, "visible");
  await told.waitFor();
}

async function shown(page, state) {
  await page.evaluate((value) => {
    Object.defineProperty(document, "visibilityState", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
}

// A watch from its beginning to the end of its alert, in the demo's world.
async function alerts(page) {
  await tabTo(page, "# alerts", true);
  await page.keyboard.press("Enter");
  await page.getByText("Alerts will stand here").waitFor();
  await tabTo(page, "Watch something …");
  await page.keyboard.press("Enter");
  await page.getByLabel("What to watch").waitFor();
  await page.keyboard.type("192.0.2.10");
  await keep(page, "web-watch");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Watching 192.0.2.10" }).waitFor();

  const begun = Date.now();
  await turn(page, "192.0.2.10 is on Spamhaus XBL");
  await listed(page.locator("main")).waitFor({ timeout: 30_000 });
  seen.timings.listed_to_alert_ms = Date.now() - begun;
  await incident(page);
  await tabTo(page, "Mute…", true);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Mute for how long?" }).waitFor();
  await keep(page, "web-mute");
  await page.keyboard.press("Escape");
  check((await page.evaluate(() => document.activeElement.textContent)) === "Mute…", "a closed dialog gives the focus back");

  await page.locator("article", { has: listed(page) }).getByRole("link", { name: "Reply in thread" }).focus();
  await page.keyboard.press("Enter");
  const thread = page.getByRole("complementary", { name: "Thread" });
  await listed(thread).waitFor();
  await tabTo(page, "Acknowledge", true);
  await page.keyboard.press("Enter");
  await thread.locator("p.typed", { hasText: "/mailcheck ack" }).waitFor();
  await listed(page.locator("main")).locator("..").getByText(/^by Guest/).waitFor();

  await turn(page, "192.0.2.10 is on Spamhaus XBL");
  await thread.getByRole("heading", { name: CLEAR }).first().waitFor({ timeout: 40_000 });
  await page.locator("main").getByRole("heading", { name: CLEAR }).waitFor();
  check((await listed(page.locator("main")).count()) === 0, "the root is edited in place");
  await keep(page, "web-alert-thread");
  await page.keyboard.press("Escape");
  await thread.waitFor({ state: "detached" });
}

// The dashboard while an incident is open, and the way back, by keyboard.
async function incident(page) {
  await tabTo(page, "Dashboard", true);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "1 incident is open" }).waitFor();
  await page.getByRole("region", { name: "Incidents" }).getByText("192.0.2.10: on Spamhaus ZEN").waitFor();
  await page.getByRole("heading", { name: "#alerts: 1 watch, 1 with a problem" }).waitFor();
  await keep(page, "web-incident");
  await page.locator(".cards").focus();
  await page.keyboard.press("End");
  await page.waitForFunction(() => document.querySelector(".cards").scrollTop > 0); // the sections scroll by keyboard
  await tabTo(page, "# alerts", true);
  await page.keyboard.press("Enter");
  await listed(page.locator("main")).waitFor();
}

function listed(place) {
  return place.getByRole("heading", { name: /192\.0\.2\.10: on Spamhaus ZEN/ });
}

async function turn(page, name) {
  await tabTo(page, name, true);
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
}

async function phone(page) {
  await page.goto(`${address}/dashboard`);
  await page.getByText("blocklists are working").waitFor();
  await keep(page, "web-phone-dashboard");
  await fits(page);
  await page.goto(`${address}/status`);
  await page.getByText("blocklists are working").waitFor();
  await fits(page);
  await page.goto(`${address}/c/scratch`);
  await page.getByRole("heading", { name: "Is this address on a blocklist?" }).waitFor();
  await keep(page, "web-phone-first-visit");
  await page.locator(".composer textarea").focus();
  await page.keyboard.type("192.0.2.66 example.com");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /on Spamhaus ZEN/ }).last().waitFor();
  await keep(page, "web-phone");
  await fits(page);
}

async function fits(page) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  check(wide <= 360, `nothing is wider than the phone (${wide}, ${page.url()})`);
}

async function dark(page) {
  await page.goto(`${address}/c/scratch`);
  await page.keyboard.type("example.org");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /problems? \(SPF/ }).waitFor();
  await keep(page, "web-dark");
}

async function withoutScript(page) {
  await page.goto(address);
  await page.locator(".composer textarea").fill("192.0.2.10 example.com");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("heading", { name: /192\.0\.2\.10.*no problems found/ }).waitFor();
}

async function opened(viewport, more = {}) {
  const context = await chrome.newContext({ viewport, deviceScaleFactor: viewport.width < 500 ? 3 : 2, timezoneId: "UTC", ...more });
  await context.route("**/*", (route) => {
    const { hostname } = new URL(route.request().url());
    if (hostname === "127.0.0.1") return route.continue();
    troubles.push(`asked for ${route.request().url()}`);
    return route.abort();
  });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on("pageerror", (error) => troubles.push(`page: ${error}`));
  page.on("console", (message) => message.type() === "error" && troubles.push(`console: ${message.text()}`));
  return page;
}

async function keep(page, name) {
  await page.screenshot({ path: `${folder}/${name}.png`, animations: "disabled" });
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  seen.audits += 1;
  for (const { id, nodes } of violations) troubles.push(`axe in ${name}: ${id}: ${nodes.map((n) => n.html.slice(0, 160)).join(" | ")}`);
}

async function tabTo(page, name, back = false) {
  for (let presses = 0; presses < 80; presses += 1) {
    if (await page.evaluate((words) => document.activeElement?.textContent.trim() === words, name)) return;
    await page.keyboard.press(back ? "Shift+Tab" : "Tab");
  }
  throw new Error(`${name} cannot be reached by keyboard`);
}

async function focusIsIn(page, selector) {
  return page.evaluate((words) => Boolean(document.activeElement?.closest(words)), selector);
}

function check(holds, what) {
  if (!holds) troubles.push(`not so: ${what}`);
}
