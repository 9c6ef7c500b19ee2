// One task from every side: what it is, how its attempts went, what it was given and gave, and what can be done.
import { get, optional, post } from "../api.js";
import { h } from "../dom.js";
import { seconds, short } from "../format.js";
import { FINAL, badge } from "../parts/badge.js";
import { button } from "../parts/button.js";
import { copyButton, plain, viewer } from "../parts/code.js";
import { itsDeliveries } from "../parts/deliveries.js";
import { confirm } from "../parts/dialog.js";
import { told } from "../parts/notes.js";
import { Stream } from "../parts/stream.js";
import { card, facts, inside } from "../parts/table.js";
import { moment } from "../parts/time.js";
import { timeline } from "../parts/timeline.js";
import { link } from "../router.js";
import { may } from "../session.js";

async function load({ params, name, signal }) {
  const at = `/tasks/${encodeURIComponent(params.id)}`;
  const [task, attempts, sent] = await Promise.all([
    get(at, {}, signal), get(`${at}/attempts`, {}, signal), optional(get(`${at}/deliveries`, {}, signal))]);
  name(`${task.type} ${short(task.id)}`);
  return { task, attempts: attempts.data, deliveries: sent?.data ?? [] };
}

function started(context) {
  const { task } = context.data ?? {};
  if (!task) return;
  context.state.stream = new Stream(task.links.events, context);
  context.state.stream.open();
}

// The tag says which workflow a task is a node of.
const workflowOf = ({ tags }) => tags.find((tag) => tag.startsWith("workflow:"))?.slice("workflow:".length);

function cancel({ data: { task }, refresh }) {
  const text = task.status === "PROCESSING" ? "It runs: its handler is told within a second." : "It will not start.";
  confirm("Cancel this task?", text, "Cancel the task", () => post(`/tasks/${task.id}/cancel`))
    .then((done) => done && refresh());
}

async function retry({ data: { task }, refresh, state }) {
  await told(() => post(`/tasks/${task.id}/retry`), "It waits again, as a new generation.");
  state.stream?.restart();
  await refresh();
}

function actions(context) {
  const { task } = context.data, isAsked = task.cancel_requested;
  const isRetriable = task.status === "FAILED" || task.status === "CANCELLED";
  return h("div", { class: "row" },
    !FINAL.has(task.status) && button(isAsked ? "Cancelling …" : "Cancel …", () => cancel(context),
      { kind: "danger", disabled: !may("write") || isAsked }),
    isRetriable && button("Retry", () => retry(context), { kind: "primary", disabled: !may("write") }),
    h("a", { class: "button", href: link("/submit", { from: task.id }) }, "Run again …"));
}

// From when it was due, which may be later than it was made.
function waited({ started_at: started, created_at: created, run_at: due }) {
  const since = Math.max(Date.parse(created), Date.parse(due));
  return seconds(Math.max(0, (Date.parse(started) - since) / 1_000));
}

function about(task) {
  const flow = workflowOf(task);
  return facts([
    ["Queue", h("a", { href: link("/tasks", { queue: task.queue }) }, task.queue)],
    ["Priority", String(task.priority)],
    ["Attempt", `${task.attempt} of ${task.max_attempts}`],
    task.generation > 1 && ["Generation", String(task.generation)],
    ["Time limit", seconds(task.timeout)],
    ["Created", moment(task.created_at)],
    task.started_at ? ["Waited", waited(task)] : ["Due", moment(task.run_at)],
    ["Ran", seconds(task.duration)],
    task.finished_at && ["Ended", moment(task.finished_at)],
    task.worker && ["Worker", h("a", { href: link("/workers") }, short(task.worker))],
    flow && ["Workflow", h("a", { href: link(`/workflows/${flow}`) }, short(flow))],
    task.tags.length > 0 && ["Tags",
      task.tags.map((tag) => [h("a", { class: "tag", title: tag, href: link("/tasks", { tag }) }, tag), " "])]]);
}

function head(context) {
  const { task } = context.data;
  const name = h("div", { class: "row" }, badge(task.status), h("code", {}, task.id), copyButton(task.id, "the id"));
  return h("section", { class: "card" },
    h("header", {}, name, actions(context)), inside(progress(task), about(task)));
}

function progress({ status, progress: seen }) {
  if (!seen || FINAL.has(status)) return null;
  const value = Math.round(seen.percent);
  const range = { "aria-valuenow": value, "aria-valuemin": "0", "aria-valuemax": "100" };
  return h("div", { class: "field", "data-key": "progress" },
    h("div", { class: "row spread small" },
      h("span", {}, seen.message || "Progress"), h("span", { class: "num" }, `${value} %`)),
    h("div", { class: "meter", role: "progressbar", "aria-label": "Progress", ...range },
      h("i", { width_percent: value })));
}

function failure({ error }) {
  if (!error) return null;
  const tools = h("div", { class: "row" },
    error.retryable && h("span", { class: "small muted" }, "would be retried"),
    copyButton(error.traceback ?? error.message, "the error"));
  return h("section", { class: "card", "data-key": "error" }, h("header", {}, h("h2", {}, "Error"), tools),
    inside(h("p", { class: "said" }, h("strong", {}, error.type), ": ", error.message)),
    error.traceback && h("details", { class: "body" },
      h("summary", {}, "Traceback"), plain(error.traceback, "Traceback")));
}

function answer(text) {
  return h("section", { class: "card", "data-key": "answer" },
    h("header", {}, h("h2", {}, "Answer"), copyButton(text, "the answer")),
    h("p", { class: "stream", dir: "auto" }, text));
}

function result({ status, result: given }) {
  if (status !== "COMPLETED") return [];
  return [typeof given?.text === "string" && answer(given.text), viewer("Result", given, "the result")];
}

const given = ({ input, metadata }) => h("div", { class: "columns" }, viewer("Input", input, "the input"),
  Object.keys(metadata).length > 0 && viewer("Metadata", metadata, "the metadata"));

const isOver = ({ data }) =>
  data && FINAL.has(data.task.status) && data.deliveries.every((one) => one.state !== "waiting");

export default {
  title: "Task",
  absent: {
    title: "There is no such task",
    text: "Its id is wrong, it belongs to another tenant, or retention has removed it.",
  },
  every: (context) => (isOver(context) ? null : context.state.stream?.isOpen ? 5_000 : 1_000),
  load,
  started,
  isLive: false,
  draw: (context) => {
    const { data: { task, attempts, deliveries }, state, refresh } = context;
    const axis = () => card("Attempts", inside(timeline(task, attempts)),
      h("span", { class: "small muted" }, "hatched: waiting"));
    return [head(context), attempts.length > 0 && axis(), failure(task), state.stream?.card(), ...result(task),
      given(task), itsDeliveries(deliveries, refresh)].filter(Boolean);
  },
};
