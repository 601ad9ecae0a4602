// Keeps the overview as things are: it looks again every ten seconds while somebody sees the page, and sooner while a part
// of it is still being asked for. Without script the page is as it was when it was loaded.
"use strict";

const main = document.querySelector("main");
setTimeout(again, wait());
if (matchMedia("(max-width: 860px)").matches) document.querySelector(".demo")?.removeAttribute("open");

function wait() {
  return main.dataset.waiting ? 1_000 : 10_000;
}

async function again() {
  if (document.visibilityState === "visible") await look().catch(() => {}); // the next look may reach the bot again
  setTimeout(again, wait());
}

async function look() {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html"); // made by the server, every text escaped
  const fresh = page.querySelector("main");
  if (!fresh) return;
  main.dataset.waiting = fresh.dataset.waiting;
  for (const part of ["[data-at]", ".cards"]) {
    const [old, now] = [main.querySelector(part), fresh.querySelector(part)];
    if (old.innerHTML === now.innerHTML) continue;
    const focused = document.activeElement?.closest(`${part} [role="region"]`)?.getAttribute("aria-label");
    old.replaceChildren(...now.childNodes);
    if (focused) old.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
}
