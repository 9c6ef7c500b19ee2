// Queues: how full and how old, and the three things one does to them.
import { get, post, remove } from "../api.js";
import { h } from "../dom.js";
import { number, plural, rate, seconds } from "../format.js";
import { badge } from "../parts/badge.js";
import { button } from "../parts/button.js";
import { confirm } from "../parts/dialog.js";
import { toast, told } from "../parts/notes.js";
import { table } from "../parts/table.js";
import { link } from "../router.js";
import { may } from "../session.js";

const about = (queue) => `/queues/${encodeURIComponent(queue.name)}`;
const many = (queue, count) => number(count) + (queue.is_lower_bound ? "+" : "");

// A purge works for some seconds: what is left is purged by the next one.
async function purgeAll(queue, count) {
  for (let isMore = true; isMore;) {
    const done = await remove(`${about(queue)}/tasks`);
    count(done.cancelled);
    isMore = done.has_more;
  }
}

async function purge(queue, refresh) {
  const counted = await told(() => remove(`${about(queue)}/tasks`, { dry_run: true }));
  if (!counted) return;
  if (!counted.matched) { toast("Nothing waits in this queue.", "amber"); return; }
  const words = `${counted.has_more ? "more than " : ""}${plural(counted.matched, "task")}`;
  const text = `Cancels ${words} that wait, due or not. What runs, runs on.`;
  let cancelled = 0;
  const all = () => purgeAll(queue, (more) => { cancelled += more; });
  const isDone = await confirm(`Purge ${queue.name}?`, text, `Cancel ${words}`, all);
  if (isDone) toast(`${plural(cancelled, "task")} cancelled.`);
  refresh();
}

function actions(queue, refresh) {
  if (!may("write")) return null;
  const verb = queue.paused ? "resume" : "pause";
  const said = queue.paused ? `${queue.name} gives tasks out again.` : `${queue.name} is paused: what runs, runs on.`;
  const turn = () => told(() => post(`${about(queue)}/${verb}`), said).then(refresh);
  return [button(queue.paused ? "Resume" : "Pause", turn, { "data-action": verb }), " ",
    button("Purge …", () => purge(queue, refresh), { kind: "danger", "data-action": "purge" })];
}

function columns(rows, refresh) {
  const most = Math.max(1, ...rows.map((queue) => queue.waiting));
  const load = ({ waiting }) =>
    h("span", { class: "load", "aria-hidden": "true" }, h("i", { width_percent: (100 * waiting) / most }));
  const named = (queue) => [
    h("a", { href: link("/tasks", { queue: queue.name }) }, h("strong", {}, queue.name)), " ",
    queue.paused && badge("paused")];
  return [
    { name: "Queue", label: false, cell: named },
    { name: "Waiting", kind: "num", cell: (queue) => [load(queue), ` ${many(queue, queue.waiting)}`] },
    { name: "Not due", kind: "num", cell: (queue) => many(queue, queue.delayed) },
    { name: "Running", kind: "num", cell: (queue) => number(queue.running) },
    { name: "Oldest waits", kind: "num", cell: (queue) => seconds(queue.oldest_age) },
    { name: "Rate", kind: "num", cell: (queue) => rate(queue.throughput) },
    { name: "Actions", kind: "actions", label: false, cell: (queue) => actions(queue, refresh) }];
}

export default {
  title: "Queues",
  every: 3_000,
  load: ({ signal }) => get("/queues", {}, signal),
  draw: ({ data: { data: rows }, refresh }) => h("section", { class: "card" },
    table("Queues", columns(rows, refresh), rows, (queue) => queue.name)),
};
