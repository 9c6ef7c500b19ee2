// The frame: navigation, title, live state with its pause, theme, sign-out. Knows no page's content.
import { h, show } from "./dom.js";
import { live } from "./live.js";
import { icon } from "./parts/icons.js";
import { told } from "./parts/notes.js";
import { link } from "./router.js";
import { signOut, who } from "./session.js";

const PLACES = [["/", "Overview", "overview"], ["/tasks", "Tasks", "tasks"], ["/submit", "Submit", "submit"], ["/queues", "Queues", "queues"], ["/workers", "Workers", "workers"],
  ["/schedules", "Schedules", "schedules"], ["/workflows", "Workflows", "workflows"], ["/webhooks", "Webhooks", "webhooks"], ["/keys", "Keys", "keys"], ["/audit", "Audit log", "audit"]];
const WORDS = { live: "Live", polling: "Refreshing", paused: "Paused", offline: "No connection" };

export function shell(leave) {
  const title = h("h1", {}, "");
  const content = h("main", { class: "content", id: "content", tabindex: "-1" });
  const links = PLACES.map(([path, name, drawing]) => h("a", { href: link(path), "data-path": path }, icon(drawing), name));
  const node = h("div", { class: "shell" });
  const menu = h("button", { class: "button quiet square menu", type: "button", "aria-label": "Menu", "aria-expanded": "false", "aria-controls": "side", onclick: () => open(node.dataset.menu !== "open") }, icon("menu"));

  function open(isOpen) {
    node.dataset.menu = isOpen ? "open" : "closed";
    menu.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) links[0].focus();
  }
  node.addEventListener("keydown", (event) => { if (event.key === "Escape" && node.dataset.menu === "open") { open(false); menu.focus(); } });

  show(node,
    h("a", { class: "skip", href: "#content", onclick: (event) => { event.preventDefault(); content.focus(); } }, "Skip to the content"),
    side(links, leave), h("button", { class: "scrim", type: "button", tabindex: "-1", "aria-label": "Close the menu", onclick: () => open(false) }),
    h("div", { class: "main" }, h("header", { class: "top" }, menu, title, ...liveParts(), themeSwitch()), content));

  function at(path, name) {
    title.textContent = name;
    document.title = `${name} · Task Runner`;
    markCurrent(links, path);
    if (node.dataset.menu === "open") open(false);
  }
  return { node, content, at };
}

function markCurrent(links, path) {
  for (const one of links) {
    const own = one.dataset.path;
    if (own === "/" ? path === "/" : path === own || path.startsWith(`${own}/`)) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
}

function side(links, leave) {
  const { state, key_id: key } = who();
  const out = () => told(signOut, "You are signed out.").then((done) => done && leave());
  const foot = state === "open"
    ? h("p", { class: "small muted" }, "No API key exists yet: only this machine is served.")
    : [h("p", { class: "small muted" }, "Signed in with ", h("code", {}, key)), h("button", { class: "button", type: "button", onclick: out }, icon("leave"), "Sign out")];
  return h("aside", { class: "side", id: "side" },
    h("a", { class: "brand", href: "#/" }, h("img", { src: "/dashboard/icon.svg", alt: "" }), "Task Runner"),
    h("nav", { "aria-label": "Pages" }, h("ul", {}, ...links.map((one, place) => h("li", { class: place === 7 ? "gap" : null }, one)))),
    h("div", { class: "foot" }, h("a", { class: "small", href: "/docs" }, "API reference"), foot));
}

function liveParts() {
  const word = h("span", { class: "word" });
  const state = h("span", { class: "live", role: "status" }, h("i", { "aria-hidden": "true" }), word);
  const button = h("button", { class: "button", type: "button", onclick: () => live.toggle() });
  const draw = () => {
    state.dataset.state = live.state;
    word.textContent = WORDS[live.state];
    show(button, icon(live.isPaused ? "play" : "pause"), h("span", { class: "wide" }, live.isPaused ? "Resume" : "Pause"));
    button.setAttribute("aria-label", live.isPaused ? "Resume updates" : "Pause updates");
  };
  live.addEventListener("state", draw);
  draw();
  return [state, button];
}

const themeSwitch = () => h("button", { class: "button quiet square", type: "button", title: "Light or dark", "aria-label": "Switch between light and dark", onclick: () => document.dispatchEvent(new Event("theme:switch")) }, icon("theme"));
