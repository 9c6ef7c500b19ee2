// The page one leaves open: how much waits and runs, how fast it ends, and what failed last.
import { get } from "../api.js";
import { h } from "../dom.js";
import { ago, number, percent, plural, rate, seconds } from "../format.js";
import { badge } from "../parts/badge.js";
import { curve, dots, quantile } from "../parts/chart.js";
import { empty } from "../parts/notes.js";
import { card, inside, table } from "../parts/table.js";
import { link } from "../router.js";
import { throughput } from "../throughput.js";

const HOUR = 3_600;
const STATS_MS = 60_000;
const ENDED = 60, FAILED = 6;

// An hour's statistics look at every task of the hour: once a minute is enough for them.
async function statistics({ state, signal }) {
  if (Date.now() - state.askedAt < STATS_MS) return state.stats;
  state.askedAt = Date.now();
  // A busy hour may take longer than the database allows: the page goes without.
  state.stats = await get("/stats", { window: HOUR }, signal).catch((error) => {
    if (error.isOutage) return null;
    throw error;
  });
  return state.stats;
}

async function load(context) {
  const { signal } = context;
  const [queues, workers, stats, failed, ended] = await Promise.all([
    get("/queues", {}, signal), get("/workers", {}, signal), statistics(context),
    get("/tasks", { status: "FAILED", limit: FAILED }, signal),
    get("/tasks", { status: ["COMPLETED", "FAILED"], limit: ENDED }, signal)]);
  const rates = await throughput(queues.data, signal);
  return { queues: queues.data, workers: workers.data, stats, failed: failed.data, ended: ended.data, rates };
}

const sum = (rows, name) => rows.reduce((total, row) => total + (row[name] ?? 0), 0);
const beside = (text) => h("span", { class: "small muted" }, text);

const tile = (name, figure, more, tone, href) =>
  h(href ? "a" : "div", { class: "tile", "data-tone": tone, "data-key": name, href },
    h("span", { class: "name" }, h("i", { "aria-hidden": "true" }), name),
    h("span", { class: "figure" }, figure), beside(more));

// Of the last hour where the API could count it, else of the last tasks.
function endedWell({ stats, ended }) {
  const failed = ended.filter((task) => task.status === "FAILED").length;
  const { total } = stats ?? {};
  const [share, words] = total
    ? [total.success_share, `${number(total.completed)} in an hour, ${number(total.failed)} failed`]
    : ended.length ? [1 - failed / ended.length, `of the last ${ended.length}`] : [null, "none ended yet"];
  return tile("Ended well", percent(share), words, "green", link("/tasks", { status: "COMPLETED" }));
}

function tiles(data) {
  const { queues, workers } = data;
  const more = queues.some((queue) => queue.is_lower_bound) ? "+" : "";
  const slots = sum(workers, "concurrency");
  const busy = workers.reduce((total, worker) => total + worker.running.length, 0);
  const oldest = Math.max(0, ...queues.map((queue) => queue.oldest_age ?? 0));
  const ready = workers.length ? "ready" : "nobody works";
  return h("section", { class: "tiles", "aria-label": "Counters" },
    tile("Waiting", number(sum(queues, "waiting")) + more, oldest ? `oldest ${seconds(oldest)}` : "nothing waits",
      "grey", link("/tasks", { status: "PENDING" })),
    tile("Not due yet", number(sum(queues, "delayed")) + more, "scheduled, retrying",
      "violet", link("/tasks", [["status", "SCHEDULED"], ["status", "RETRYING"]])),
    tile("Running", number(sum(queues, "running")), slots ? `of ${number(slots)} slots` : "no slot",
      "blue", link("/tasks", { status: "PROCESSING" })),
    endedWell(data),
    tile("Throughput", rate(sum(queues, "throughput")), "in the last minute", "blue"),
    tile("Workers", number(workers.length), busy ? `${plural(busy, "slot")} busy` : ready,
      workers.length ? "green" : "red", link("/workers")));
}

const throughputCard = ({ rates }) => card("Throughput",
  inside(rates.length > 1
    ? curve(rates, "/s", "Tasks ended a second")
    : empty("Not known", "Throughput is counted in Redis, which is away.")),
  beside("tasks ended a second, in the last hour"));

function latencyCard({ ended }) {
  const took = ended.filter((task) => task.duration !== null);
  const [p50, p95] = [.5, .95].map((share) => seconds(quantile(took.map((task) => task.duration), share)));
  const title = `Run times of the last ${took.length} tasks: half took at most ${p50}`;
  const mark = (tone, name) => h("span", { "data-tone": tone }, h("i"), name);
  const legend = h("p", { class: "legend" },
    mark("green", "completed"), mark("red", "failed"), h("span", {}, `p50 ${p50}`), h("span", {}, `p95 ${p95}`));
  const shown = took.length > 1
    ? [dots(took, (task) => link(`/tasks/${task.id}`), title), legend]
    : [empty("No run times yet", "Each task that ends becomes a dot.")];
  return card("Latency", inside(...shown), beside(`run times of the last ${took.length} tasks`));
}

function queueCard(queues) {
  const most = Math.max(1, ...queues.map((queue) => queue.waiting));
  const load = (queue) => h("span", { class: "load", "aria-hidden": "true" },
    h("i", { width_percent: (100 * queue.waiting) / most }));
  const name = (queue) => [
    h("a", { href: link("/tasks", { queue: queue.name }) }, queue.name), " ", queue.paused && badge("paused")];
  return card("Queues", table("Queues", [
    { name: "Queue", label: false, cell: name },
    { name: "Waiting", kind: "num", cell: (queue) => [load(queue), ` ${number(queue.waiting)}`] },
    { name: "Running", kind: "num", cell: (queue) => number(queue.running) },
    { name: "Oldest", kind: "num", cell: (queue) => seconds(queue.oldest_age) },
    { name: "Rate", kind: "num", cell: (queue) => rate(queue.throughput) }], queues, (queue) => queue.name),
  h("a", { class: "small", href: link("/queues") }, "All about queues"));
}

function failures(failed) {
  const none = () => empty("Nothing failed", "Failed tasks stand here with their error.");
  if (!failed.length) return card("Recent failures", none());
  const words = (task) => h("div", { class: "clip muted", title: task.error?.message }, task.error?.message ?? "–");
  return card("Recent failures", table("Recent failures", [
    { name: "Task", label: false, cell: (task) => h("a", { href: link(`/tasks/${task.id}`) }, task.type) },
    { name: "Error", label: false, cell: words },
    { name: "When", kind: "num", cell: (task) => h("span", { class: "nowrap" }, ago(task.finished_at)) },
  ], failed, (task) => task.id),
  h("a", { class: "small", href: link("/tasks", { status: "FAILED" }) }, "All failures"));
}

function byType({ stats }) {
  if (!stats?.data?.length) return null;
  return card("The last hour by type", table("The last hour by type", [
    { name: "Type", label: false, cell: (row) => h("a", { href: link("/tasks", { type: row.type }) }, row.type) },
    { name: "Submitted", kind: "num", cell: (row) => number(row.submitted) },
    { name: "Failed", kind: "num", cell: (row) => number(row.failed) },
    { name: "Wait p50", kind: "num", cell: (row) => seconds(row.wait?.p50) },
    { name: "Wait p95", kind: "num", cell: (row) => seconds(row.wait?.p95) },
    { name: "Run p50", kind: "num", cell: (row) => seconds(row.run?.p50) },
    { name: "Run p95", kind: "num", cell: (row) => seconds(row.run?.p95) },
  ], stats.data, (row) => `${row.type} ${row.queue}`), beside("tasks created in it"));
}

const isNew = ({ ended, queues, failed }) =>
  !ended.length && !failed.length && ["waiting", "delayed", "running"].every((name) => !sum(queues, name));

const welcome = () => h("section", { class: "card" },
  empty("Nothing has happened yet", "Submit the first task: there is a form for every type.",
    h("a", { class: "button primary", href: link("/submit") }, "Submit a task")));

export default {
  title: "Overview",
  every: 5_000,
  load,
  draw: ({ data }) => [tiles(data), isNew(data) && welcome(),
    h("div", { class: "columns" }, throughputCard(data), latencyCard(data)),
    h("div", { class: "columns" }, queueCard(data.queues), failures(data.failed)), byType(data)].filter(Boolean),
};
