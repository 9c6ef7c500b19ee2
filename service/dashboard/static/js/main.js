// Starts the dashboard: who looks, the frame, the pages, and which of them the address names.
import { h, show } from "./dom.js";
import { live } from "./live.js";
import { Page } from "./page.js";
import { broken, missing } from "./parts/notes.js";
import { here, route } from "./router.js";
import { look } from "./session.js";
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

let frame = null, page = null, closed = null, isTurned = false;

function turn() {
  if (!frame) return;
  const { path, page: view, params, query } = here();
  const id = path + JSON.stringify(params);
  frame.at(path, view?.title ?? "Not found");
  if (page && page.id === id) { page.context.query = query; page.refresh({ isAsked: true }); return; }
  page?.end();
  page = null;
  if (!view) { show(frame.content, h("div", { class: "page" }, missing(NOWHERE))); return; }
  page = new Page(view, frame.content, { params, query, name: (text) => frame.at(path, text) });
  page.id = id;
  page.start();
  // On the first page the reader begins at the top, where the skip link is.
  if (isTurned) { frame.content.focus({ preventScroll: true }); scrollTo(0, 0); }
  isTurned = true;
}

function open() {
  frame = shell(signedOut);
  show(document.body, frame.node);
  live.follow(FEED);
  live.start();
  closed = new AbortController();
  listen(closed.signal);
  turn();
}

function signedOut() {
  page?.end();
  closed?.abort();
  page = frame = null;
  live.stop();
  show(document.body, signInPage(open));
}

async function start() {
  try {
    const { state } = await look();
    if (state === "signed_out") signedOut(); else open();
  } catch (error) {
    if (!("status" in error)) throw error;
    show(document.body, h("main", { class: "content" }, h("h1", {}, "Task Runner"), broken(error, start)));
  }
}

addEventListener("hashchange", turn);
document.addEventListener("session:over", () => { if (frame) signedOut(); });
start();
