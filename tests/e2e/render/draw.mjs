// node draw.mjs BROWSER THEME < message.json > picture.png
// Fails when the page breaks, asks anything of the network, or leaves out a text of the message.
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const [browser, theme] = process.argv.slice(2);
const payload = JSON.parse(await buffer(process.stdin));
const bundle = await build({
  entryPoints: [fileURLToPath(new URL("entry.jsx", import.meta.url))],
  bundle: true,
  write: false,
  outdir: "nowhere",
  format: "iife",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
});
const file = (ending) => bundle.outputFiles.find(({ path }) => path.endsWith(ending)).text;
const background = theme === "dark" ? "#1a1d21" : "#ffffff";
const shown = JSON.stringify({ payload, theme, time: "2026-11-24T06:00:00Z" }).replaceAll("<", "\\u003c");
const page = `<!doctype html><meta charset="utf-8"><style>${file(".css")}
  body { margin: 0; padding: 16px; background: ${background}; }
  #root, #root * { font-family: Lato, "DejaVu Sans", sans-serif !important; }
  #root pre, #root pre *, #root code { font-family: "DejaVu Sans Mono", monospace !important; }
  #root { width: 660px; } .bar { margin: 4px 0 0 52px; padding: 2px 0 2px 12px; border-left: 4px solid; border-radius: 3px; }
</style><div id="root"></div><script>window.shown = ${shown}</script>
<script>${file(".js").replaceAll("</script", "<\\/script")}</script>`;

const chrome = await chromium.launch({ executablePath: browser, args: ["--no-sandbox", "--disable-gpu"] });
const troubles = [];
try {
  const tab = await chrome.newPage({ viewport: { width: 700, height: 200 }, deviceScaleFactor: 2, timezoneId: "UTC" });
  tab.on("pageerror", (error) => troubles.push(String(error)));
  await tab.route("**/*", (route) => {
    troubles.push(`asked for ${route.request().url()}`);
    return route.abort();
  });
  await tab.setContent(page, { waitUntil: "load" });
  await tab.locator("#root > *").first().waitFor();
  const words = fold(await tab.locator("#root").innerText());
  const missing = texts([payload.blocks, payload.attachments]).filter((text) => !words.includes(fold(text)));
  if (missing.length) troubles.push(`not drawn: ${missing.join(" | ")}`);
  process.stdout.write(await tab.screenshot({ fullPage: true }));
} finally {
  await chrome.close();
}
if (troubles.length) {
  console.error(troubles.join("\n"));
  process.exitCode = 1;
}

function fold(text) {
  return text.replace(/\s+/g, " ").trim();
}

function texts(part) {
  if (Array.isArray(part)) return part.flatMap(texts);
  if (part === null || typeof part !== "object") return [];
  const own = typeof part.text === "string" ? [part.text] : [];
  return own.concat(...Object.values(part).map(texts));
}
