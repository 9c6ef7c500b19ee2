// The frame: navigation, title, live state with its pause, theme, sign-out. Knows no page's content.
import { h, show } from "./dom.js";
import { live } from "./live.js";
import { icon } from "./parts/icons.js";
import { toasts, told } from "./parts/notes.js";
import { link } from "./router.js";
import { signOut, who } from "./session.js";
import { showKeys } from "./shortcuts.js";

const WORK = {
  overview: ["/", "Overview"], tasks: ["/tasks", "Tasks"], submit: ["/submit", "Submit"], queues: ["/queues", "Queues"],
  workers: ["/workers", "Workers"], schedules: ["/schedules", "Schedules"], workflows: ["/workflows", "Workflows"],
};
const HOUSE = { webhooks: ["/webhooks", "Webhooks"], keys: ["/keys", "Keys"], audit: ["/audit", "Audit log"] };
const NARROW = "(max-width: 60rem)";
const OPEN = "No API key exists yet: only this machine is served.";
const WORDS = { live: "Live", polling: "Refreshing", paused: "Paused", offline: "No connection" };

const square = (label, drawing, given) =>
  h("button", { class: "button quiet square", type: "button", "aria-label": label, ...given }, icon(drawing));

export function shell(leave) {
  const title = h("h1", {}, "");
  const content = h("main", { class: "content", id: "content", tabindex: "-1" });
  const node = h("div", { class: "shell" });
  const [first, second] = [WORK, HOUSE].map(linksTo);
  const links = [...first, ...second];
  const foot = h("div", { class: "foot" });
  const main = h("div", { class: "main" });
  const isOpen = () => node.dataset.menu === "open";
  const opens = { "aria-expanded": "false", "aria-controls": "side", onclick: () => turn(!isOpen()) };
  const menu = square("Menu", "menu", { class: "button quiet square menu", ...opens });

  function turn(open) {
    node.dataset.menu = open ? "open" : "closed";
    menu.setAttribute("aria-expanded", String(open));
    // The focus stays in the drawer while it is open.
    main.inert = open;
    if (open) links[0].focus();
  }
  matchMedia(NARROW).addEventListener("change", () => turn(false));
  node.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !isOpen()) return;
    turn(false);
    menu.focus();
  });

  const skip = (event) => { event.preventDefault(); content.focus(); };
  const scrim = { class: "scrim", type: "button", tabindex: "-1", "aria-label": "Close the menu" };
  show(node,
    h("a", { class: "skip", href: "#content", onclick: skip }, "Skip to the content"),
    side(first, second, foot), h("button", { ...scrim, onclick: () => turn(false) }), main, toasts());
  show(main, h("header", { class: "top" }, menu, title, ...liveParts(), themeSwitch()), content);
  const tellWho = () => show(foot, ...feet(leave));
  tellWho();

  function at(path, name) {
    title.textContent = name;
    document.title = `${name} · Task Runner`;
    markCurrent(links, path);
    if (isOpen()) turn(false);
  }
  return { node, content, at, tellWho };
}

const linksTo = (places) => Object.entries(places).map(([drawing, [path, name]]) =>
  h("a", { href: link(path), "data-path": path }, icon(drawing), name));

function markCurrent(links, path) {
  for (const one of links) {
    const own = one.dataset.path;
    if (path === own || (own !== "/" && path.startsWith(`${own}/`))) one.setAttribute("aria-current", "page");
    else one.removeAttribute("aria-current");
  }
}

const list = (links, kind) => h("ul", { class: kind }, ...links.map((one) => h("li", {}, one)));

function side(first, second, foot) {
  return h("aside", { class: "side", id: "side" },
    h("a", { class: "brand", href: "#/" }, h("img", { src: "/dashboard/icon.svg", alt: "" }), "Task Runner"),
    h("nav", { "aria-label": "Pages" }, list(first), list(second, "gap")), foot);
}

const feet = (leave) => [
  h("a", { class: "small", href: "/docs" }, "API reference"),
  h("button", { class: "plain", type: "button", onclick: showKeys }, "Keyboard shortcuts"), ...whoLooks(leave)];

function whoLooks(leave) {
  const { state, key_id: key } = who();
  if (state === "open") return [h("p", { class: "small muted" }, OPEN)];
  const out = () => told(signOut, "You are signed out.").then((done) => done && leave());
  return [h("p", { class: "small muted" }, "Signed in with ", h("code", {}, key)),
    h("button", { class: "button", type: "button", onclick: out }, icon("leave"), "Sign out")];
}

function liveParts() {
  const word = h("span", { class: "word" });
  const state = h("span", { class: "live", role: "status" }, h("i", { "aria-hidden": "true" }), word);
  const button = h("button", { class: "button", type: "button", onclick: () => live.toggle() });
  const draw = () => {
    const verb = live.isPaused ? "Resume" : "Pause";
    state.dataset.state = live.state;
    word.textContent = WORDS[live.state];
    show(button, icon(live.isPaused ? "play" : "pause"), h("span", { class: "wide" }, verb));
    button.setAttribute("aria-label", `${verb} updates`);
  };
  live.addEventListener("state", draw);
  draw();
  return [state, button];
}

const themeSwitch = () => square("Switch between light and dark", "theme",
  { title: "Light or dark", onclick: () => document.dispatchEvent(new Event("theme:switch")) });
