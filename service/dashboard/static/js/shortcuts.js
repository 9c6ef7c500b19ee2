// Keys that spare the way to the mouse: one letter, or `g` and the letter of a page. They rest while one writes, and
// for good where the reader says so.
import { h } from "./dom.js";
import { live } from "./live.js";
import { tell } from "./parts/dialog.js";
import { go, here } from "./router.js";

const NAME = "taskrunner-shortcuts";
const SECOND_KEY_MS = 1_500;
const LOOKS = 40, LOOK_MS = 50;
const PAGES = {
  o: ["/", "Overview"], t: ["/tasks", "Tasks"], n: ["/submit", "Submit"], q: ["/queues", "Queues"],
  w: ["/workers", "Workers"], s: ["/schedules", "Schedules"], f: ["/workflows", "Workflows"],
  h: ["/webhooks", "Webhooks"], k: ["/keys", "Keys"], a: ["/audit", "Audit log"],
};
const ACTS = {
  "?": ["These keys", showKeys],
  "/": ["Search tasks", search],
  p: ["Pause or resume updates", () => live.toggle()],
  d: ["Dark or light", () => document.dispatchEvent(new Event("theme:switch"))],
};

const isOn = () => { try { return localStorage.getItem(NAME) !== "off"; } catch { return true; } };
function turn(on) {
  try { on ? localStorage.removeItem(NAME) : localStorage.setItem(NAME, "off"); } catch { /* works as before */ }
}

function search() {
  if (here().path !== "/tasks") go("/tasks");
  focusBox(LOOKS);
}

// The page may have to load first.
function focusBox(looks) {
  const box = document.querySelector("input[type=search]");
  if (box) box.focus();
  else if (looks) setTimeout(() => focusBox(looks - 1), LOOK_MS);
}

const named = (keys) => keys.map((key) => [h("kbd", {}, key), " "]);
const line = ([keys, words]) => h("div", {}, h("dt", {}, named(keys)), h("dd", {}, words));
const list = (title, rows) => h("section", {}, h("h3", {}, title), h("dl", { class: "keys" }, ...rows.map(line)));

export function showKeys() {
  const box = h("input", { type: "checkbox", checked: isOn(), onchange: ({ target }) => turn(target.checked) });
  tell("Keyboard",
    list("Everywhere", Object.entries(ACTS).map(([key, [words]]) => [[key], words])),
    list("Go to", Object.entries(PAGES).map(([key, [, words]]) => [["g", key], words])),
    h("label", { class: "check" }, box, h("span", {}, "Use these keys. Tab, Enter and Escape work in any case.")));
}

// What is typed into a field, or meant for the browser or a dialog, is none of ours.
function isOurs(event) {
  const isForBrowser = event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented;
  const isWritten = event.target.closest?.("input, textarea, select");
  return !isForBrowser && !isWritten && !document.querySelector("dialog[open]");
}

export function listen(signal) {
  let begun = 0;
  document.addEventListener("keydown", (event) => {
    if (!isOurs(event) || !isOn()) return;
    const isSecond = Date.now() - begun < SECOND_KEY_MS;
    begun = event.key === "g" && !isSecond ? Date.now() : 0;
    const [path] = (isSecond && PAGES[event.key]) || [];
    const [, act] = (!isSecond && ACTS[event.key]) || [];
    if (!path && !act) return;
    event.preventDefault();
    if (path) go(path); else act();
  }, { signal });
}
