// Queues: how full and how old, and the three things one does to them.
import { get, post, remove } from "../api.js";
import { h } from "../dom.js";
import { number, plural, rate, seconds } from "../format.js";
import { badge } from "../parts/badge.js";
import { confirm } from "../parts/dialog.js";
import { toast, told } from "../parts/notes.js";
import { table } from "../parts/table.js";
import { link } from "../router.js";
import { may } from "../session.js";

const about = (queue) => `/queues/${encodeURIComponent(queue.name)}`;
const many = (queue, count) => number(count) + (queue.is_lower_bound ? "+" : "");

async function purge(queue, refresh) {
  const counted = await told(() => remove(`${about(queue)}/tasks`, { dry_run: true }));
  if (!counted) return;
  if (!counted.matched) { toast("Nothing waits in this queue.", "amber"); return; }
  const words = `${counted.has_more ? "more than " : ""}${plural(counted.matched, "task")}`;
  let cancelled = 0;
  const all = async () => {
    for (let isMore = true; isMore;) {
      const done = await remove(`${about(queue)}/tasks`);
      cancelled += done.cancelled;
      isMore = done.has_more;
    }
  };
  if (await confirm(`Purge ${queue.name}?`, `Cancels ${words} that wait, due or not. What runs, runs on.`, `Cancel ${words}`, all)) toast(`${plural(cancelled, "task")} cancelled.`);
  refresh();
}

function actions(queue, refresh) {
  const verb = queue.paused ? "resume" : "pause";
  const turn = () => told(() => post(`${about(queue)}/${verb}`), queue.paused ? `${queue.name} gives tasks out again.` : `${queue.name} is paused: what runs, runs on.`).then(refresh);
  return may("write") && [h("button", { class: "button", type: "button", onclick: turn, "data-action": verb }, queue.paused ? "Resume" : "Pause"), " ",
    h("button", { class: "button danger", type: "button", onclick: () => purge(queue, refresh), "data-action": "purge" }, "Purge …")];
}

export default {
  title: "Queues",
  every: 3_000,
  load: ({ signal }) => get("/queues", {}, signal),
  draw: ({ data: { data }, refresh }) => {
    const most = Math.max(1, ...data.map((queue) => queue.waiting));
    return h("section", { class: "card", "aria-label": "Queues" }, table("Queues", [
      { name: "Queue", label: false, cell: (queue) => [h("a", { href: link("/tasks", { queue: queue.name }) }, h("strong", {}, queue.name)), " ", queue.paused && badge("paused")] },
      { name: "Waiting", kind: "num", cell: (queue) => [h("span", { class: "load", "aria-hidden": "true" }, h("i", { width_percent: (100 * queue.waiting) / most })), ` ${many(queue, queue.waiting)}`] },
      { name: "Not due", kind: "num", cell: (queue) => many(queue, queue.delayed) },
      { name: "Running", kind: "num", cell: (queue) => number(queue.running) },
      { name: "Oldest waits", kind: "num", cell: (queue) => seconds(queue.oldest_age) },
      { name: "Rate", kind: "num", cell: (queue) => rate(queue.throughput) },
      { name: "Actions", kind: "actions", label: false, cell: (queue) => actions(queue, refresh) }], data, (queue) => queue.name));
  },
};

