// What the pages do beyond plain HTML: polling that never leaves an old green light, and the keyboard.
// Holds no patient data and keeps none; only the choice "single-letter shortcuts" is stored.
import { initAll } from "../vendor/nhsuk/nhsuk-frontend.min.js";

document.body.classList.add("js-enabled", "nhsuk-frontend-supported");
initAll();

/* Polling */
const LOST_AFTER = 6000; // milliseconds without an answer
let heardAt = new Date();
let lost = false;
const shown = new WeakMap();

function clock(at) {
  return at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

function loseConnection() {
  if (lost || !document.getElementById("mode-banner")) return;
  lost = true;
  document.body.classList.add("app-stale");
  const banner = document.getElementById("mode-banner");
  shown.delete(banner);
  const box = document.createElement("div");
  box.className = "app-mode app-mode--unknown";
  box.dataset.mode = "unknown";
  const inner = document.createElement("div");
  inner.className = "nhsuk-width-container app-wide app-mode__inner";
  const words = document.createElement("p");
  words.className = "app-mode__words";
  const strong = document.createElement("strong");
  strong.textContent = `Connection lost since ${clock(heardAt)}.`;
  words.append(strong, " What this page shows may be old, and nothing can be saved until it is back.");
  inner.append(words);
  box.append(inner);
  banner.replaceChildren(box);
}

function regainConnection() {
  heardAt = new Date();
  if (!lost) return;
  lost = false;
  document.body.classList.remove("app-stale");
}

function markOld(part, old) {
  part.classList.toggle("app-stale", old);
  part.querySelectorAll("[data-lost]").forEach((element) => { element.hidden = !old; });
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const { elt, target, serverResponse } = event.detail;
  if (elt.dataset.poll === undefined || !event.detail.shouldSwap) return;
  if (elt.dataset.poll === "banner") regainConnection();
  else markOld(elt, false);
  // The same again: leave the page alone, so that nothing is announced twice and no focus is lost.
  if (shown.get(target) === serverResponse) event.detail.shouldSwap = false;
  else shown.set(target, serverResponse);
});
["htmx:responseError", "htmx:sendError", "htmx:timeout"].forEach((name) => {
  document.addEventListener(name, (event) => {
    if (event.detail.elt.dataset.poll === "banner") loseConnection();
    else if (event.detail.elt.dataset.poll !== undefined) markOld(event.detail.elt, true);
  });
});
setInterval(() => { if (Date.now() - heardAt.getTime() > LOST_AFTER && !document.hidden) loseConnection(); }, 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden && !lost) heardAt = new Date(); });
// Back from the browser's memory: what it kept may be another's or old.
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

/* The keyboard. Saving is always the browser's own submit; htmx fetches advice and lists only. */
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.elt.id === "results" || event.detail.target.id === "results") {
    document.querySelector("#results [data-row]")?.focus();
  }
});

// The browser gives the focus at its first paint: a key pressed before that would be lost.
if (document.activeElement === document.body) document.querySelector("[autofocus]")?.focus();

function typing(element) {
  return element.matches("input, select, textarea, [contenteditable]");
}

function fieldsOf(form) {
  return [...form.elements].filter((e) => e.matches("input:not([type=hidden]), select, textarea, [data-save]") && e.offsetParent);
}

// A group of radios is one step: in at the one chosen, or the first; out past the last.
function nextField(at) {
  const fields = fieldsOf(at.form);
  const ofGroup = (one) => (other) => other.type === "radio" && other.name === one.name;
  const next = fields.slice(fields.indexOf(at) + 1).find((e) => !(at.type === "radio" && ofGroup(at)(e)));
  return next?.type === "radio" ? fields.find((e) => ofGroup(next)(e) && e.checked) ?? next : next;
}

document.addEventListener("keydown", (event) => {
  const at = event.target;
  if (event.key === "Enter" && event.ctrlKey) {
    const form = at.closest("form") ?? document.getElementById("page-form");
    if (form) { event.preventDefault(); form.requestSubmit(form.querySelector("[data-save]")); }
    return;
  }
  if (event.key === "Enter" && at.matches("form[data-enter-moves] input, form[data-enter-moves] select")) {
    event.preventDefault();
    const next = nextField(at);
    next?.focus();
    if (next?.matches("input:not([type=radio], [type=checkbox])")) next.select(); // as Tab does
    return;
  }
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") moveInRows(event, event.key === "ArrowDown" ? 1 : -1);
  else if (shortcutsOn() && event.key.length === 1 && !typing(at)) shortcut(event);
});

function moveInRows(event, step) {
  const at = event.target;
  const rows = [...document.querySelectorAll("[data-rows] [data-row]")];
  const here = rows.indexOf(at);
  if (!rows.length || (here < 0 && !at.matches("[data-rows-box]"))) return;
  event.preventDefault();
  if (here + step < 0) document.querySelector("[data-rows-box]")?.focus();
  else rows[Math.min(here + step, rows.length - 1)].focus();
}

function shortcut(event) {
  const target = event.key === "/" ? document.querySelector("[data-rows-box]") : document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!target) return;
  event.preventDefault();
  if (target.matches("a")) target.click(); else target.focus();
}

/* Single-letter shortcuts can be switched off (WCAG 2.1.4). */
function shortcutsOn() {
  return localStorage.getItem("pasmirror-shortcuts") !== "off";
}

function sayShortcuts() {
  const button = document.getElementById("shortcuts");
  if (!button) return;
  button.hidden = false;
  document.body.classList.toggle("app-shortcuts", shortcutsOn());
  button.setAttribute("aria-pressed", String(shortcutsOn()));
  button.textContent = `Single-letter shortcuts: ${shortcutsOn() ? "on" : "off"}`;
}

document.getElementById("shortcuts")?.addEventListener("click", () => {
  localStorage.setItem("pasmirror-shortcuts", shortcutsOn() ? "off" : "on");
  sayShortcuts();
});
sayShortcuts();
