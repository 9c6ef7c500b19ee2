// Workers: who lives, what each has in hand, and sending one away.
import { get, post } from "../api.js";
import { h } from "../dom.js";
import { plural, seconds, short } from "../format.js";
import { badge } from "../parts/badge.js";
import { button } from "../parts/button.js";
import { confirm } from "../parts/dialog.js";
import { empty } from "../parts/notes.js";
import { facts, inside } from "../parts/table.js";
import { when } from "../parts/time.js";
import { link } from "../router.js";
import { may } from "../session.js";

const MOST_TASKS = 50;
const LEAVES = "It takes nothing more, finishes what it runs within its grace, and ends. "
  + "A supervisor starts a fresh one.";

function drain(one, refresh) {
  const send = () => post(`/workers/${one.id}/drain`);
  confirm(`Drain ${one.hostname}, process ${one.pid}?`, LEAVES, "Drain the worker", send)
    .then((done) => done && refresh());
}

function slots({ running, concurrency }) {
  const share = Math.min(100, (100 * running.length) / concurrency);
  const range = { "aria-valuenow": running.length, "aria-valuemin": "0", "aria-valuemax": concurrency };
  return h("div", { class: "field" },
    h("div", { class: "row spread small" },
      h("span", {}, "Slots"), h("span", { class: "num" }, `${running.length} of ${concurrency} with your tasks`)),
    h("div", { class: "meter", role: "meter", "aria-label": "Slots in use", ...range },
      h("i", { width_percent: share })));
}

function atWork({ running }) {
  if (!running.length) return null;
  const tasks = running.slice(0, MOST_TASKS)
    .map((id) => [h("a", { href: link(`/tasks/${id}`), class: "mono" }, short(id)), " "]);
  return h("details", {}, h("summary", {}, plural(running.length, "task")), h("p", {}, ...tasks));
}

function missing({ missing: types }) {
  const names = Object.entries(types ?? {}).map(([name, what]) => `${name} (${what})`);
  return names.length > 0 && h("p", { class: "banner", "data-tone": "amber" }, `Cannot run: ${names.join(", ")}`);
}

const about = (one) => facts([
  ["Heartbeat", `${seconds(one.heartbeat_age)} ago`],
  ["Started", when(one.started_at)],
  ["Queues", one.queues.join(", ")],
  ["Version", one.version],
  ["Database pool", `${one.pool.size} + ${one.pool.overflow}`],
  ["Types", plural(one.types.length, "type")]]);

function worker(one, refresh) {
  const name = h("div", { class: "row" },
    h("h2", {}, one.hostname), h("span", { class: "muted num" }, `pid ${one.pid}`), badge(one.state));
  const leave = may("admin")
    && button("Drain …", () => drain(one, refresh), { kind: "danger", disabled: one.state === "draining" });
  return h("section", { class: "card", "data-key": one.id, "aria-label": `Worker ${one.hostname} ${one.pid}` },
    h("header", {}, name, leave),
    inside(h("div", { class: "fields" }, missing(one), slots(one), atWork(one), about(one))));
}

const nobody = () => h("section", { class: "card" },
  empty("No worker is alive", "Tasks are accepted and wait. Start one with: taskrunner worker"));

export default {
  title: "Workers",
  every: 2_000,
  load: ({ signal }) => get("/workers", {}, signal),
  draw: ({ data: { data }, refresh }) =>
    (data.length ? h("div", { class: "columns" }, ...data.map((one) => worker(one, refresh))) : nobody()),
};
