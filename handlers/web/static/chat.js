// Makes the page live: news come over one stream, forms go out without leaving the page, keys do what they do in a chat.
// Everything here can be done without it, too; then a page is loaded for each step.
"use strict";

const main = document.querySelector("main");
const { here, after } = main.dataset;
const root = document.querySelector(".thread")?.dataset.root ?? "";
const lists = Object.fromEntries([...document.querySelectorAll("[data-list]")].map((list) => [list.dataset.list, list]));
const status = document.querySelector(".status");
const whisper = document.querySelector("[data-whisper]"); // heard by screen readers only
const composers = [...document.querySelectorAll(".composer")];
const MOST_SHOWN = 500;

// News

// A page that nobody sees hangs up and catches up later: a browser has only six connections to one server.
let stream;
let last = after;
const seen = () => document.visibilityState === "visible";
document.addEventListener("visibilitychange", () => (seen() ? listen() : stream?.close()));
if (seen()) listen();

function listen() {
  stream?.close();
  stream = new EventSource(`/stream?after=${last}`);
  stream.addEventListener("open", () => tell(""));
  stream.addEventListener("anew", () => location.reload());
  stream.addEventListener("error", ({ target }) => {
    const over = target.readyState === EventSource.CLOSED;
    tell(over ? "The connection has ended. Reload the page to go on." : "The bot does not answer; trying again …");
  });
  stream.addEventListener("message", ({ data, lastEventId }) => {
    last = lastEventId;
    hear(JSON.parse(data));
  });
}

function hear(news) {
  if (news.channel !== here) return news.new && count(news.channel);
  if (news.outside) place(lists.channel, news);
  if (root && (news.id === root || news.thread === root)) place(lists.thread, news);
}

function place(list, { id, html }) {
  const template = document.createElement("template");
  template.innerHTML = html; // made by the server, where every text is escaped
  const message = template.content.querySelector(".message");
  if (list === lists.thread) {
    for (const button of message.querySelectorAll("[formaction]")) button.setAttribute("formaction", `/c/${here}/t/${root}`);
  }
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 120;
  const old = list.querySelector(`[data-id="${CSS.escape(id)}"]`);
  if (old) {
    const pressed = old.contains(document.activeElement) && document.activeElement.textContent;
    old.replaceWith(message);
    if (pressed) ([...message.querySelectorAll(".button")].find((b) => b.textContent === pressed) ?? message).focus();
  } else {
    list.querySelector(".welcome")?.remove();
    const later = [...list.querySelectorAll(".message")].find((m) => m.dataset.id > id);
    later ? later.before(message) : list.append(message);
    if (list.querySelectorAll(".message").length > MOST_SHOWN) list.querySelector(".message").remove();
  }
  if (!atEnd) return;
  list.scrollTop = message.offsetHeight > list.clientHeight ? message.offsetTop : list.scrollHeight;
}

function count(channel) {
  const badge = document.querySelector(`[data-channel="${CSS.escape(channel)}"] .count`);
  if (!badge) return;
  badge.hidden = false;
  badge.textContent = String(Number.parseInt(badge.textContent || "0", 10) + 1);
  const unseen = document.createElement("span");
  unseen.className = "unseen";
  unseen.textContent = " new";
  badge.append(unseen);
}

function tell(sentence) {
  if (status.textContent !== sentence) status.textContent = sentence;
}

// Forms

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const action = event.submitter?.getAttribute("formaction") ?? form.getAttribute("action");
  if (form.method !== "post" || !action.startsWith("/c/")) return;
  event.preventDefault();
  if (event.submitter?.hasAttribute("data-asks")) return askHowLong(event.submitter.value, action);
  const filled = new FormData(form, event.submitter);
  const body = form.enctype === "multipart/form-data" ? filled : new URLSearchParams(filled);
  form.closest("dialog")?.close();
  try {
    const answer = await fetch(action, { method: "POST", body, headers: { "x-live": "yes" } });
    tell(answer.ok ? "" : await answer.text());
    if (answer.ok && form.matches(".composer, dialog form")) form.reset();
    for (const list of answer.ok ? Object.values(lists) : []) list.scrollTop = list.scrollHeight;
    for (const composer of composers) grow(composer.elements.text);
  } catch {
    tell("The bot does not answer; nothing was sent.");
  }
});

function askHowLong(command, action) {
  const dialog = document.getElementById("mute");
  dialog.querySelector("[data-fill]").value = command;
  dialog.querySelector("form").setAttribute("action", action);
  dialog.showModal();
}

for (const opener of document.querySelectorAll("[data-dialog]")) {
  const action = opener.closest("form").getAttribute("action");
  opener.addEventListener("click", () => {
    const dialog = document.getElementById(opener.dataset.dialog);
    dialog.querySelector("form").setAttribute("action", action);
    dialog.showModal();
  });
}
for (const button of document.querySelectorAll("[data-close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

// What is typed

let menus = 0;
composers.forEach(complete);

function complete(composer) {
  const field = composer.elements.text;
  const menu = composer.querySelector(".commands");
  const options = [...menu.children];
  menu.id = `commands-${(menus += 1)}`;
  options.forEach((option, number) => (option.id = `${menu.id}-${number}`));
  field.setAttribute("aria-controls", menu.id);
  const shown = () => (menu.hidden ? [] : options.filter((option) => !option.hidden));
  const chosen = () => shown().find((option) => option.getAttribute("aria-selected") === "true");

  function choose(option) {
    for (const each of options) each.setAttribute("aria-selected", String(each === option));
    option?.scrollIntoView({ block: "nearest" });
    option ? field.setAttribute("aria-activedescendant", option.id) : field.removeAttribute("aria-activedescendant");
  }

  function suggest() {
    grow(field);
    const typed = /^\/(?:mailcheck)?\s*(.*)$/i.exec(field.value);
    const started = typed && "/mailcheck ".startsWith(field.value.toLowerCase());
    for (const option of options) option.hidden = !typed || !(started || option.dataset.text.startsWith(typed[1]));
    menu.hidden = options.every((option) => option.hidden || `/mailcheck ${option.dataset.text}` === field.value);
    choose(shown()[0]);
    whisper.textContent = menu.hidden ? "" : `${shown().length} commands; arrow keys choose, Tab takes one.`;
  }

  function take(option) {
    field.value = `/mailcheck ${option.dataset.text}`;
    suggest();
    menu.hidden = true;
    field.focus();
  }

  field.addEventListener("input", suggest);
  field.addEventListener("blur", () => (menu.hidden = true));
  menu.addEventListener("mousedown", (event) => {
    event.preventDefault();
    if (event.target.closest("li")) take(event.target.closest("li"));
  });
  field.addEventListener("keydown", (event) => {
    const list = shown();
    const at = list.indexOf(chosen());
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (list.length && step) choose(list[(at + step + list.length) % list.length]);
    else if (list.length && (event.key === "Tab" || (event.key === "Enter" && !event.shiftKey))) take(list[at]);
    else if (list.length && event.key === "Escape") menu.hidden = true;
    else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) composer.requestSubmit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

function grow(field) {
  field.rows = Math.min(10, field.value.split("\n").length);
}

// Elsewhere on the page: `/` begins a command, Escape closes the thread.

document.addEventListener("keydown", (event) => {
  const writes = event.target.closest("input, textarea, select, dialog");
  if (event.key === "/" && !writes) {
    event.preventDefault();
    const field = composers.at(-1).elements.text;
    field.focus();
    field.value ||= "/";
    field.dispatchEvent(new Event("input"));
  } else if (event.key === "Escape" && root && !document.querySelector("dialog[open]")) {
    document.querySelector(".close").click();
  }
});

for (const list of Object.values(lists)) list.scrollTop = list.scrollHeight;
if (matchMedia("(max-width: 860px)").matches) document.querySelector(".demo")?.removeAttribute("open");
