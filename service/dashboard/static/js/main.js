// Starts the dashboard: who looks, the frame, the pages, and which of them the address names.
import { h, show } from "./dom.js";
import { live } from "./live.js";
import { Page } from "./page.js";
import { broken, missing } from "./parts/notes.js";
import { here, route } from "./router.js";
import { look, who } from "./session.js";
import { shell } from "./shell.js";
import { listen } from "./shortcuts.js";
import audit from "./views/audit.js";
import keys from "./views/keys.js";
import overview from "./views/overview.js";
import queues from "./views/queues.js";
import schedules from "./views/schedules.js";
import { signInPage } from "./views/sign_in.js";
import submit from "./views/submit.js";
import task from "./views/task.js";
import tasks from "./views/tasks.js";
import webhooks from "./views/webhooks.js";
import workers from "./views/workers.js";
import workflow from "./views/workflow.js";
import workflows from "./views/workflows.js";

const PAGES = {
  "/": overview, "/tasks": tasks, "/tasks/:id": task, "/submit": submit, "/queues": queues, "/workers": workers,
  "/schedules": schedules, "/workflows": workflows, "/workflows/:id": workflow, "/webhooks": webhooks,
  "/keys": keys, "/audit": audit,
};
const FEED = "/api/v1/events";
const NOWHERE = { title: "There is no such page" };
for (const [pattern, page] of Object.entries(PAGES)) route(pattern, page);

// `enter`: what follows as soon as somebody is signed in, while the door is shown; `kept`: what waits behind it.
let frame = null, page = null, closed = null, enter = null, kept = null, isTurned = false;

function toTop() {
  frame.content.focus({ preventScroll: true });
  scrollTo(0, 0);
}

// The same page with other filters, or further back.
function turnWithin(query) {
  const isOther = page.context.query.get("cursor") !== query.get("cursor");
  page.context.query = query;
  page.refresh({ isAsked: true });
  if (isOther) toTop();
}

function turn() {
  if (!frame || kept) return;
  const { path, page: view, params, query } = here();
  const id = path + JSON.stringify(params);
  frame.at(path, view?.title ?? "Not found");
  if (page && page.id === id) { turnWithin(query); return; }
  page?.end();
  page = null;
  if (!view) { show(frame.content, h("div", { class: "page" }, missing(NOWHERE))); return; }
  page = new Page(view, frame.content, { params, query, name: (text) => frame.at(path, text) });
  page.id = id;
  page.start();
  // On the first page the reader begins at the top, where the skip link is.
  if (isTurned) toTop();
  isTurned = true;
}

function begin() {
  live.follow(FEED);
  live.start();
  closed = new AbortController();
  listen(closed.signal);
  turn();
}

function rest() {
  closed?.abort();
  live.stop();
}

function open() {
  page?.end();
  page = kept = null;
  frame = shell(signedOut);
  show(document.body, frame.node);
  begin();
}

function door(then) {
  enter = () => { if (enter) { enter = null; then(); } };
  show(document.body, signInPage(enter));
}

function signedOut() {
  rest();
  page?.end();
  page = frame = null;
  door(open);
}

// The session is over, in the midst of something perhaps. Whoever signs in with the same key finds it as it was.
function lock(key) {
  if (!frame || kept) return;
  rest();
  kept = { key, nodes: [...document.body.childNodes], focus: document.activeElement };
  door(unlock);
}

function unlock() {
  const { key, nodes, focus } = kept;
  if (who().key_id !== key) { open(); return; }
  kept = null;
  show(document.body, nodes);
  for (const box of document.querySelectorAll("dialog[open]")) {
    box.removeAttribute("open");
    box.showModal();
  }
  focus.focus();
  begin();
}

// Another tab may have signed in meanwhile.
async function knock() {
  if (!enter || document.hidden) return;
  const { state } = await look().catch(() => ({ state: "signed_out" }));
  if (state !== "signed_out") enter?.();
}

// Another tab has signed in with another key, or out.
function other() {
  if (!frame || kept) return;
  rest();
  if (who().state === "signed_out") signedOut(); else open();
}

async function start() {
  try {
    const { state } = await look();
    if (state === "signed_out") door(open); else open();
  } catch (error) {
    if (!("status" in error)) throw error;
    show(document.body, h("main", { class: "content" }, h("h1", {}, "Task Runner"), broken(error, start)));
  }
}

addEventListener("hashchange", turn);
document.addEventListener("session:over", () => lock(who().key_id));
document.addEventListener("session:other", other);
document.addEventListener("session:known", () => frame?.tellWho());
document.addEventListener("visibilitychange", knock);
addEventListener("focus", knock);
start();
