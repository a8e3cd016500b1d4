// What makes pages live: the stream of the page, moments that stay current, buttons that copy, checks of JSON, the theme.
// Every page works without this file; it only adds.

const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// Moments: kept current, in the same words as ui.rs.
function ago(ms) {
  const seconds = Math.floor(Math.abs(ms) / 1000);
  if (seconds === 0) return "now";
  const days = Math.floor(seconds / 86400);
  const words =
    seconds < 60 ? `${seconds} s`
    : seconds < 3600 ? `${Math.floor(seconds / 60)} min`
    : seconds < 86400 ? `${Math.floor(seconds / 3600)} h`
    : `${days} day${days === 1 ? "" : "s"}`;
  return ms < 0 ? `in ${words}` : `${words} ago`;
}

function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

function tick() {
  const now = Date.now();
  for (const time of all("time[data-relative]")) time.textContent = ago(now - Date.parse(time.dateTime));
  for (const time of all("time[data-since]")) time.textContent = duration(Math.max(0, now - Date.parse(time.dateTime)));
}
setInterval(tick, 1000);

// What grows while nothing happens is asked for anew every so many seconds, as long as the page hears its stream.
let seconds = 0;
setInterval(() => {
  seconds += 1;
  if (!stream || document.hidden) return;
  for (const grown of all("[data-ticks]")) {
    const part = grown.closest("[data-part]");
    if (part && seconds % Number(grown.dataset.ticks) === 0) refresh(part);
  }
}, 1000);

// Live parts: asked for anew when the stream says so, one request at a time for each, and not faster than people see.
const PACE_MS = 300;
const parts = new WeakMap();

const about = (part) => parts.get(part) ?? parts.set(part, { busy: false, again: false, held: false, shown: "" }).get(part);

async function refresh(part) {
  const state = about(part);
  if (state.busy) {
    state.again = true;
    return;
  }
  state.busy = true;
  try {
    const source = part.dataset.source;
    const answer = await fetch(source, { headers: { accept: "text/html" } });
    // Another state may have been chosen meanwhile.
    if ((answer.ok || answer.status === 404) && source === part.dataset.source) replace(part, await answer.text());
  } catch { /* The stream tells when Ithaca is back. */ }
  setTimeout(() => {
    state.busy = false;
    if (state.again) {
      state.again = false;
      refresh(part);
    }
  }, PACE_MS);
}

// Is somebody at work in it: a menu open, a field that is written in?
function isInUse(part) {
  const isWritten = (field) => field.value !== field.defaultValue || field === document.activeElement;
  return part.querySelector("details.menu[open]") !== null
    || all("input:not([type=hidden]), textarea", part).some(isWritten);
}

// Puts new content in place without taking away what a person is at: the focus, an open menu, a scrolled list.
function replace(part, text) {
  const state = about(part);
  // Moments are kept current here, so they are no change.
  const timeless = text.replace(/(<time[^>]*>)[^<]*/g, "$1");
  if (state.shown === timeless) return;
  state.held = isInUse(part);
  if (state.held) return;
  state.shown = timeless;
  const open = all("details[open] > summary", part).map((summary) => summary.textContent);
  const scrolled = all("[tabindex='0']", part).map((element) => [element.scrollTop, element.scrollLeft]);
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const href = focused?.getAttribute("href");
  const fresh = new DOMParser().parseFromString(text, "text/html").body;
  part.replaceChildren(...fresh.childNodes);
  for (const summary of all("details > summary", part)) {
    if (open.includes(summary.textContent)) summary.parentElement.open = true;
  }
  all("[tabindex='0']", part).forEach((element, at) => {
    if (scrolled[at]) [element.scrollTop, element.scrollLeft] = scrolled[at];
  });
  if (href) all("a", part).find((link) => link.getAttribute("href") === href)?.focus({ preventScroll: true });
  prepare(part);
  part.dispatchEvent(new CustomEvent("ithaca:replaced", { bubbles: true }));
}

// The stream: closed while nobody looks, opened again when somebody does.
const address = document.body.dataset.stream;
const light = document.getElementById("stream");
let stream = null;

function say(state, words) {
  if (light.dataset.state === state) return;
  light.dataset.state = state;
  light.textContent = words;
}

function listen() {
  if (!address || stream || document.hidden) return;
  stream = new EventSource(address);
  stream.addEventListener("open", () => {
    // What happened while nobody listened.
    if (light.dataset.state === "lost") all("[data-part]").forEach(refresh);
    say("live", "Live");
  });
  stream.addEventListener("error", () => say("lost", "Connecting…"));
  stream.addEventListener("changed", () => all("[data-part]").forEach(refresh));
  stream.addEventListener("status", (event) => {
    document.dispatchEvent(new CustomEvent("ithaca:status", { detail: JSON.parse(event.data) }));
  });
}

function pause() {
  stream?.close();
  stream = null;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return pause();
  listen();
  all("[data-part]").forEach(refresh);
});
addEventListener("pagehide", pause);
addEventListener("pageshow", listen);

// A state that is chosen is shown beside the drawing, without loading the page anew.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-choose], .ithaca-graph a");
  const part = document.querySelector("[data-part='state']");
  if (!link || !part || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const href = link.getAttribute("href");
  if (!href?.includes("state=")) return;
  event.preventDefault();
  const chosen = new URL(href, location.href);
  history.replaceState(null, "", chosen.pathname + chosen.search);
  chosen.searchParams.set("part", "state");
  part.dataset.source = chosen.pathname + chosen.search;
  about(part).busy = false;
  refresh(part);
});

// JSON is checked while it is written; the place of a mistake is told.
function check(area) {
  const message = document.querySelector(`[data-json-message="${area.id}"]`);
  let problem = "";
  if (area.value.trim()) {
    try {
      JSON.parse(area.value);
    } catch (error) {
      problem = error.message;
    }
  }
  area.setAttribute("aria-invalid", problem ? "true" : "false");
  area.setCustomValidity(problem ? `This is not JSON: ${problem}` : "");
  if (message) message.textContent = problem ? `Not JSON yet: ${problem}` : "";
}

// Inputs that were started before, for each state machine: kept by this browser only.
const REMEMBERED = 5;

function remembered(area) {
  try {
    return JSON.parse(localStorage.getItem(`ithaca-inputs ${area.dataset.remember}`)) ?? [];
  } catch {
    return [];
  }
}

function remember(area) {
  const others = remembered(area).filter((text) => text !== area.value);
  try {
    localStorage.setItem(`ithaca-inputs ${area.dataset.remember}`, JSON.stringify([area.value, ...others].slice(0, REMEMBERED)));
  } catch { /* Storage is off or full: nothing is remembered. */ }
}

function offer(area) {
  const inputs = remembered(area);
  if (!inputs.length) return;
  const list = document.createElement("p");
  list.className = "remembered";
  list.append("Used before: ");
  for (const text of inputs) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = text.replace(/\s+/g, " ").slice(0, 48);
    button.title = text.slice(0, 2000);
    button.addEventListener("click", () => {
      area.value = text;
      area.dispatchEvent(new Event("input"));
      area.focus();
    });
    list.append(button);
  }
  area.before(list);
  if (area.value.trim() === "{}") area.value = inputs[0];
}

// Commands to copy that have the text of a field in them. Quoted as ui.rs does.
function quoted(text) {
  return /^[A-Za-z0-9_./:@=,+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function follow(command) {
  const field = document.getElementById(command.dataset.follows);
  const write = () => {
    const text = command.dataset.pattern.split("\ufffc").join(quoted(field.value.trim() || "{}"));
    command.querySelector("code").textContent = text;
    command.querySelector("[data-copy]").dataset.copy = text;
  };
  field.addEventListener("input", write);
  write();
}

// Everything that needs a script is hidden until here.
function prepare(root) {
  for (const button of all("[data-copy]", root)) {
    button.hidden = !navigator.clipboard;
    button.onclick = async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      const words = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = words), 1200);
    };
  }
  for (const area of all("textarea[data-json]", root)) {
    if (area.dataset.remember) {
      offer(area);
      area.form.addEventListener("submit", () => remember(area));
    }
    area.addEventListener("input", () => check(area));
    check(area);
  }
  for (const command of all("[data-follows]", root)) follow(command);
}

const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("ithaca-theme", root.dataset.theme);
  } catch { /* Chosen for this page only. */ }
});

// What waited for a menu to close, or for somebody to finish writing, comes now.
function catchUp() {
  for (const part of all("[data-part]")) {
    if (about(part).held && !isInUse(part)) refresh(part);
  }
}
document.addEventListener("toggle", catchUp, true);
document.addEventListener("focusout", () => setTimeout(catchUp, 50));

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") all("details.menu[open]").forEach((menu) => (menu.open = false));
});

prepare(document);
listen();
