// One task from every side: what it is, how its attempts went, what it was given and gave, and what can be done.
import { get, optional, post } from "../api.js";
import { h } from "../dom.js";
import { ago, full, plural, seconds, short } from "../format.js";
import { FINAL, badge } from "../parts/badge.js";
import { copyButton, plain, viewer } from "../parts/code.js";
import { deliveries } from "../parts/deliveries.js";
import { confirm } from "../parts/dialog.js";
import { told } from "../parts/notes.js";
import { Stream } from "../parts/stream.js";
import { card, facts, inside } from "../parts/table.js";
import { timeline } from "../parts/timeline.js";
import { link } from "../router.js";
import { has, may } from "../session.js";

async function load({ params, name, signal }) {
  const at = `/tasks/${encodeURIComponent(params.id)}`;
  const [task, attempts, sent] = await Promise.all([get(at, {}, signal), get(`${at}/attempts`, {}, signal), optional(get(`${at}/deliveries`, {}, signal))]);
  name(`${task.type} ${short(task.id)}`);
  return { task, attempts: attempts.data, deliveries: sent?.data ?? [] };
}

function started(context) {
  const { task } = context.data ?? {};
  if (!task || !has("/tasks/{task_id}/events")) return;
  context.state.stream = new Stream(`${task.links.events}`, context);
  context.state.stream.open();
}

// The tag says which workflow a task is a node of.
const workflowOf = ({ tags }) => tags.find((tag) => tag.startsWith("workflow:"))?.slice("workflow:".length);

function actions({ data: { task }, refresh, state }) {
  const at = `/tasks/${task.id}`;
  const cancel = () => confirm("Cancel this task?", task.status === "PROCESSING" ? "It runs: its handler is told within a second." : "It will not start.", "Cancel the task", () => post(`${at}/cancel`)).then((done) => done && refresh());
  const retry = () => told(() => post(`${at}/retry`), "It waits again, as a new generation.").then(() => { state.stream?.restart(); return refresh(); });
  return h("div", { class: "row" },
    !FINAL.has(task.status) && h("button", { class: "button danger", type: "button", onclick: cancel, disabled: !may("write") || task.cancel_requested }, task.cancel_requested ? "Cancelling …" : "Cancel …"),
    (task.status === "FAILED" || task.status === "CANCELLED") && h("button", { class: "button primary", type: "button", onclick: retry, disabled: !may("write") }, "Retry"),
    h("a", { class: "button", href: link("/submit", { from: task.id }) }, "Run again …"));
}

function head(context) {
  const { task } = context.data;
  return h("section", { class: "card" },
    h("header", {}, h("div", { class: "row" }, badge(task.status), h("code", {}, task.id), copyButton(task.id, "the id")), actions(context)),
    inside(progress(task), facts([
      ["Queue", h("a", { href: link("/tasks", { queue: task.queue }) }, task.queue)],
      ["Priority", String(task.priority)],
      ["Attempt", `${task.attempt} of ${task.max_attempts}`],
      task.generation > 1 && ["Generation", String(task.generation)],
      ["Time limit", seconds(task.timeout)],
      ["Created", h("time", { datetime: task.created_at, title: full(task.created_at) }, ago(task.created_at))],
      task.started_at ? ["Waited", seconds(Math.max(0, (Date.parse(task.started_at) - Math.max(Date.parse(task.created_at), Date.parse(task.run_at))) / 1_000))] : ["Due", h("time", { datetime: task.run_at, title: full(task.run_at) }, ago(task.run_at))],
      ["Ran", seconds(task.duration)],
      task.worker && ["Worker", h("a", { href: link("/workers") }, short(task.worker))],
      workflowOf(task) && ["Workflow", h("a", { href: link(`/workflows/${workflowOf(task)}`) }, short(workflowOf(task)))],
      task.tags.length > 0 && ["Tags", task.tags.map((tag) => [h("a", { class: "tag", href: link("/tasks", { tag }) }, tag), " "])]])));
}

function progress({ status, progress: seen }) {
  if (!seen || FINAL.has(status)) return null;
  const value = Math.round(seen.percent);
  return h("div", { class: "field", "data-key": "progress" }, h("div", { class: "row spread small" }, h("span", {}, seen.message || "Progress"), h("span", { class: "num" }, `${value} %`)),
    h("div", { class: "meter", role: "progressbar", "aria-label": "Progress", "aria-valuenow": value, "aria-valuemin": "0", "aria-valuemax": "100" }, h("i", { width_percent: value })));
}

function failure({ error }) {
  if (!error) return null;
  return h("section", { class: "card", "data-key": "error" }, h("header", {}, h("h2", {}, "Error"), h("div", { class: "row" }, error.retryable ? h("span", { class: "small muted" }, "would be retried") : null, copyButton(error.traceback ?? error.message, "the error"))),
    inside(h("p", {}, h("strong", {}, error.type), ": ", error.message)), error.traceback && h("details", { class: "body" }, h("summary", {}, "Traceback"), plain(error.traceback, "Traceback")));
}

const streamed = ({ state }) => state.stream?.card() ?? null;

function result({ task }) {
  if (task.status !== "COMPLETED") return null;
  const text = typeof task.result?.text === "string" ? task.result.text : null;
  return [text !== null && h("section", { class: "card", "data-key": "answer" }, h("header", {}, h("h2", {}, "Answer"), copyButton(text, "the answer")), h("p", { class: "stream" }, text)), viewer("Result", task.result, "the result")];
}

function webhooks({ data, refresh }) {
  if (!data.deliveries.length) return null;
  return card("Webhooks", deliveries(data.deliveries, refresh), h("span", { class: "small muted" }, plural(data.deliveries.length, "delivery").replace("deliverys", "deliveries")));
}

const isOver = ({ data }) => data && FINAL.has(data.task.status) && data.deliveries.every((one) => one.state !== "waiting");

export default {
  title: "Task",
  absent: { title: "There is no such task", text: "Its id is wrong, it belongs to another tenant, or retention has removed it." },
  every: (context) => (isOver(context) ? null : context.state.stream?.isOpen ? 5_000 : 1_000),
  load,
  started,
  isLive: false,
  draw: (context) => {
    const { data } = context;
    const { task, attempts } = data;
    return [head(context), attempts.length > 0 && card("Attempts", inside(timeline(task, attempts)), h("span", { class: "small muted" }, "hatched: waiting")), failure(task), streamed(context), result(data),
      h("div", { class: "columns" }, viewer("Input", task.input, "the input"), Object.keys(task.metadata).length > 0 && viewer("Metadata", task.metadata, "the metadata")), webhooks(context)].flat().filter(Boolean);
  },
};
