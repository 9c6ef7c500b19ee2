// Workers: who lives, what each has in hand, and sending one away.
import { get, post } from "../api.js";
import { h } from "../dom.js";
import { ago, full, plural, seconds, short } from "../format.js";
import { badge } from "../parts/badge.js";
import { confirm } from "../parts/dialog.js";
import { empty } from "../parts/notes.js";
import { facts, inside } from "../parts/table.js";
import { link } from "../router.js";
import { may } from "../session.js";

function drain(worker, refresh) {
  confirm(`Drain ${worker.hostname}, process ${worker.pid}?`, "It takes nothing more, finishes what it runs within its grace, and ends. A supervisor starts a fresh one.", "Drain the worker", () => post(`/workers/${worker.id}/drain`))
    .then((done) => done && refresh());
}

function slots({ running, concurrency }) {
  const share = Math.min(100, (100 * running.length) / concurrency);
  return h("div", { class: "field" }, h("div", { class: "row spread small" }, h("span", {}, "Slots"), h("span", { class: "num" }, `${running.length} of ${concurrency} with your tasks`)),
    h("div", { class: "meter", role: "meter", "aria-label": "Slots in use", "aria-valuenow": running.length, "aria-valuemin": "0", "aria-valuemax": concurrency }, h("i", { width_percent: share })));
}

const atWork = ({ running }) => running.length > 0 && h("details", {}, h("summary", {}, plural(running.length, "task")), h("p", {}, ...running.slice(0, 50).map((id) => [h("a", { href: link(`/tasks/${id}`), class: "mono" }, short(id)), " "])));

function missing({ missing: types }) {
  const names = Object.keys(types ?? {});
  return names.length > 0 && h("p", { class: "banner", "data-tone": "amber" }, `Cannot run: ${names.map((name) => `${name} (${types[name]})`).join(", ")}`);
}

function worker(one, refresh) {
  return h("section", { class: "card", "data-key": one.id, "aria-label": `Worker ${one.hostname} ${one.pid}` },
    h("header", {}, h("div", { class: "row" }, h("h2", {}, one.hostname), h("span", { class: "muted num" }, `pid ${one.pid}`), badge(one.state)),
      may("admin") && h("button", { class: "button danger", type: "button", disabled: one.state === "draining", onclick: () => drain(one, refresh) }, "Drain …")),
    inside(h("div", { class: "fields" }, missing(one), slots(one), atWork(one), facts([
      ["Heartbeat", `${seconds(one.heartbeat_age)} ago`], ["Started", h("time", { datetime: one.started_at, title: full(one.started_at) }, ago(one.started_at))], ["Queues", one.queues.join(", ")],
      ["Version", one.version], ["Database pool", `${one.pool.size} + ${one.pool.overflow}`], ["Types", plural(one.types.length, "type")]]))));
}

export default {
  title: "Workers",
  every: 2_000,
  load: ({ signal }) => get("/workers", {}, signal),
  draw: ({ data: { data }, refresh }) => (data.length
    ? h("div", { class: "columns" }, ...data.map((one) => worker(one, refresh)))
    : h("section", { class: "card" }, empty("No worker is alive", "Tasks are accepted and wait. Start one with: taskrunner worker"))),
};
