// The list of tasks: searched with qualifiers, filtered by the address, paged by cursor, acted on in bulk.
import { get } from "../api.js";
import { ACTIONS, act, offered } from "../bulk.js";
import { h } from "../dom.js";
import { ago, full, plural, seconds, short } from "../format.js";
import { STATUSES, badge, tone, words } from "../parts/badge.js";
import { empty, toast } from "../parts/notes.js";
import { FILTERS, filtersOf, parse, write } from "../parts/search.js";
import { listFor } from "../parts/suggest.js";
import { table } from "../parts/table.js";
import { go, link } from "../router.js";
import { has, may } from "../session.js";

const LIMIT = 50;

async function load({ query, state, signal }) {
  const cursor = query.get("cursor");
  const filter = filtersOf(query);
  const [page, known] = await Promise.all([get("/tasks", { ...filter, cursor, limit: LIMIT }, signal), state.known ?? names(signal)]);
  state.known = known;
  state.picked ??= new Map();
  const address = query.toString();
  if (state.address !== address) { state.picked.clear(); state.isAll = false; state.address = address; }
  for (const task of page.data) if (state.picked.has(task.id)) state.picked.set(task.id, task);
  return page;
}

async function names(signal) {
  const [types, queues] = await Promise.all([get("/task-types", {}, signal), get("/queues", {}, signal)]);
  return { types: types.data.map((type) => type.name), queues: queues.data.map((queue) => queue.name) };
}

const turn = (query, change) => {
  const next = new URLSearchParams([...query].filter(([name]) => name !== "cursor"));
  change(next);
  go("/tasks", next);
};

function search({ query, state }) {
  const written = write(query);
  const complete = ({ target }) => target.list.replaceChildren(...listFor("", target.value, state.known).childNodes);
  const box = h("input", { class: "input", type: "search", name: "q", value: written, "data-bound": written, "aria-label": "Search tasks", "aria-describedby": "search-help", list: "suggestions", oninput: complete, spellcheck: "false", autocomplete: "off", placeholder: "status:failed type:text_generation tag:demo" });
  const submit = (event) => {
    event.preventDefault();
    const { query: wanted, unknown } = parse(event.target.elements.q.value);
    if (wanted.get("id")) { go(`/tasks/${wanted.get("id")}`); return; }
    if (unknown.length) { toast(`Not understood: ${unknown.join(" ")}. Use status: type: queue: tag: id: after: before:`, "amber"); return; }
    go("/tasks", wanted);
  };
  return h("form", { class: "search", role: "search", onsubmit: submit }, box, listFor("suggestions", written, state.known), h("button", { class: "button", type: "submit" }, "Search"),
    h("p", { class: "hidden-text", id: "search-help" }, "Qualifiers: status, type, queue, tag, id, after, before"));
}

const chip = (name, isOn, toggle, given = {}) => h("button", { class: "chip", type: "button", "aria-pressed": String(isOn), onclick: toggle, "data-key": `chip ${name}`, ...given }, name);

function chips({ query }) {
  const on = new Set(query.getAll("status").map((status) => status.toUpperCase()));
  const toggle = (status) => turn(query, (next) => { on.has(status) ? next.delete("status", status) : next.append("status", status); });
  const others = FILTERS.filter((name) => name !== "status").flatMap((name) => query.getAll(name).map((value) => [name, value]));
  return h("div", { class: "chips", role: "group", "aria-label": "Filters" },
    ...STATUSES.map((status) => chip(words(status), on.has(status), () => toggle(status), { "data-tone": tone(status) })),
    ...others.map(([name, value]) => chip(`${name.replace("created_", "")}: ${value} ✕`, true, () => turn(query, (next) => next.delete(name, value)), { "aria-label": `Remove the filter ${name} ${value}` })));
}

function pick(context, tasks, isOn) {
  for (const task of tasks) isOn ? context.state.picked.set(task.id, task) : context.state.picked.delete(task.id);
  context.state.isAll = false;
  context.redraw();
}

async function perform(context, action) {
  const { state, query } = context;
  const isDone = await act(action, [...state.picked.values()], state.isAll ? filtersOf(query) : null);
  if (!isDone) return;
  state.picked.clear();
  state.isAll = false;
  await context.refresh();
}

function picked(context) {
  const { state, query, data } = context;
  if (!state.picked?.size) return null;
  const hasMore = data.next_cursor && Object.keys(filtersOf(query)).length && has("/tasks/bulk/cancel");
  return h("div", { class: "picked", role: "group", "aria-label": "Selected tasks", "data-key": "picked" },
    h("strong", { role: "status" }, state.isAll ? "All that match the filter" : `${plural(state.picked.size, "task")} selected`),
    hasMore && !state.isAll && h("button", { class: "button quiet", type: "button", onclick: () => { state.isAll = true; context.redraw(); } }, "Select all that match the filter"),
    h("span", { class: "grow" }),
    ...offered().map((action) => h("button", { class: `button${action === "retry" ? "" : " danger"}`, type: "button", "data-action": action, onclick: () => perform(context, action) }, `${ACTIONS[action].name} …`)),
    h("button", { class: "button quiet", type: "button", onclick: () => { state.picked.clear(); state.isAll = false; context.redraw(); } }, "Clear"));
}

function columns(context) {
  const { data, state } = context;
  const onPage = data.data.filter((task) => state.picked.has(task.id)).length;
  const all = h("input", { type: "checkbox", "aria-label": "Select all tasks on this page", checked: onPage > 0 && onPage === data.data.length, indeterminate: onPage > 0 && onPage < data.data.length, onchange: (event) => pick(context, data.data, event.target.checked) });
  return [
    may("write") && { name: "Select", label: false, head: all, cell: (task) => h("input", { type: "checkbox", "aria-label": `Select ${task.type} ${short(task.id)}`, checked: state.picked.has(task.id), onchange: (event) => pick(context, [task], event.target.checked) }) },
    { name: "Task", label: false, cell: (task) => [h("a", { href: link(`/tasks/${task.id}`) }, task.type), " ", h("code", { class: "muted", title: task.id }, short(task.id))] },
    { name: "Status", label: false, cell: (task) => [badge(task.status), task.status === "PROCESSING" && task.progress ? h("span", { class: "small muted num" }, ` ${Math.round(task.progress.percent)} %`) : null] },
    { name: "Queue", cell: (task) => task.queue },
    { name: "Attempt", kind: "num", cell: (task) => `${task.attempt}/${task.max_attempts}` },
    { name: "Took", kind: "num", cell: (task) => h("span", { class: "nowrap" }, seconds(task.duration)) },
    { name: "Created", kind: "num", cell: (task) => h("time", { class: "nowrap", datetime: task.created_at, title: full(task.created_at) }, ago(task.created_at)) },
    { name: "Tags", label: false, cell: (task) => task.tags.slice(0, 3).map((tag) => [h("span", { class: "tag" }, tag), " "]) }].filter(Boolean);
}

function pager({ data, query }) {
  const isFirst = !query.get("cursor");
  const older = () => go("/tasks", [...[...query].filter(([name]) => name !== "cursor"), ["cursor", data.next_cursor]]);
  if (isFirst && !data.next_cursor) return null;
  return h("nav", { class: "row spread", "aria-label": "Pages of the list" },
    h("button", { class: "button", type: "button", disabled: isFirst, onclick: () => turn(query, () => {}) }, "Newest"),
    h("button", { class: "button", type: "button", disabled: !data.next_cursor, onclick: older }, "Older"));
}

const nothing = ({ query }) => [...query].length
  ? empty("No task matches", "Take a filter away, or look for something else.", h("a", { class: "button", href: link("/tasks") }, "All tasks"))
  : empty("No tasks yet", "What is submitted stands here, newest first.", h("a", { class: "button primary", href: link("/submit") }, "Submit a task"));

export default {
  title: "Tasks",
  // A page further back is looked at, not watched.
  every: ({ query }) => (query.get("cursor") ? null : 4_000),
  load,
  draw: (context) => [search(context), chips(context),
    h("section", { class: "card", "aria-label": "Tasks" }, picked(context), context.data.data.length ? table("Tasks", columns(context), context.data.data, (task) => task.id) : nothing(context)), pager(context)].filter(Boolean),
};
