// node hostile.mjs BROWSER ADDRESS
// Looks at cards full of hostile text as they come live, again as a whole page, and in overviews; prints what stands there that should not.
import { chromium } from "playwright-core";

const [browser, address] = process.argv.slice(2);
const seen = { messages: [], foreign: [], ran: [], asked: [], logged: [] };

const chrome = await chromium.launch({ executablePath: browser, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await chrome.newPage();
  await page.route("**/*", (route) => {
    if (new URL(route.request().url()).origin === address) return route.continue();
    seen.asked.push(route.request().url());
    return route.abort();
  });
  page.on("console", (message) => seen.logged.push(message.text()));
  page.on("pageerror", (error) => seen.logged.push(String(error)));
  page.on("dialog", (dialog) => seen.ran.push(dialog.message()));
  await page.goto(`${address}/c/scratch`);
  await fetch(`${address}/told/hostile`);
  await page.getByText("That was the last one").waitFor();
  await look(page);
  await page.reload();
  await look(page);
  for (const overview of ["dashboard", "status"]) {
    await page.goto(`${address}/${overview}`);
    await look(page, ".cards", "section");
  }
} finally {
  await chrome.close();
}
console.log(JSON.stringify(seen));

async function look(page, where = "main .log", what = ".message") {
  await page.locator(`${where} ${what}`).last().hover();
  const found = await page.evaluate(([where, what]) => {
    const log = document.querySelector(where);
    const OURS = new RegExp("^/c/scratch/p/[0-9]+/(light|dark)[.]svg$");
    const all = [...log.querySelectorAll("*")];
    const tags = "section article img div p b time a h2 span ul li blockquote dl dt dd table thead tbody tr th td button figure figcaption pre picture source".split(" ");
    const attributes = all.flatMap((element) => element.getAttributeNames());
    return {
      messages: log.querySelectorAll(what).length,
      foreign: [
        ...all.map((element) => element.localName).filter((tag) => !tags.includes(tag)),
        ...attributes.filter((name) => name.startsWith("on") || ["style", "srcdoc", "autofocus"].includes(name)),
        ...[...log.querySelectorAll("img")].map((image) => image.getAttribute("src")).filter((src) => src !== "/static/mark.svg" && !OURS.test(src)),
        ...[...log.querySelectorAll("source")].map((source) => source.getAttribute("srcset")).filter((src) => !OURS.test(src)),
        ...[...log.querySelectorAll("[href]")].map((link) => link.getAttribute("href")).filter((href) => !href.startsWith("/c/")),
      ],
      ran: "pwned" in globalThis ? ["a script"] : [],
    };
  }, [where, what]);
  seen.messages.push(found.messages);
  seen.foreign.push(...found.foreign);
  seen.ran.push(...found.ran);
}
