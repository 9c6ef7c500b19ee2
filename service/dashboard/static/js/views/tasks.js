// The list of tasks: searched with qualifiers, filtered by the address, paged by cursor, acted on in bulk.
import { get } from "../api.js";
import { ACTIONS, act } from "../bulk.js";
import { h } from "../dom.js";
import { plural, seconds, short } from "../format.js";
import { STATUSES, badge, tone, words } from "../parts/badge.js";
import { button } from "../parts/button.js";
import { chip, taken } from "../parts/chip.js";
import { empty, toast, told } from "../parts/notes.js";
import { pager } from "../parts/pager.js";
import { FILTERS, filtersOf, parse, write } from "../parts/search.js";
import { listFor } from "../parts/suggest.js";
import { table } from "../parts/table.js";
import { when } from "../parts/time.js";
import { go, link, turned } from "../router.js";
import { may } from "../session.js";

const LIMIT = 50, MOST_TAGS = 3;

async function load({ query, state, signal }) {
  const asked = { ...filtersOf(query), cursor: query.get("cursor"), limit: LIMIT };
  const [page, known] = await Promise.all([get("/tasks", asked, signal), state.known ?? names(signal)]);
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

function lookFor(text) {
  const { query, unknown } = parse(text);
  if (query.get("id")) { go(`/tasks/${query.get("id")}`); return; }
  if (!unknown.length) { go("/tasks", query); return; }
  toast(`Not understood: ${unknown.join(" ")}. Use status: type: queue: tag: id: after: before:`, "amber");
}

function search({ query, state }) {
  const written = write(query);
  const complete = ({ target }) =>
    target.list.replaceChildren(...listFor("", target.value, state.known).childNodes);
  const submit = (event) => {
    event.preventDefault();
    lookFor(event.target.elements.q.value);
  };
  const box = h("input", {
    class: "input", type: "search", name: "q", value: written, "data-bound": written, oninput: complete,
    "aria-label": "Search tasks", "aria-describedby": "search-help", list: "suggestions",
    spellcheck: "false", autocomplete: "off", placeholder: "status:failed type:text_generation tag:demo",
  });
  return h("form", { class: "search", role: "search", onsubmit: submit },
    box, listFor("suggestions", written, state.known), h("button", { class: "button", type: "submit" }, "Search"),
    h("p", { class: "hidden-text", id: "search-help" }, "Qualifiers: status, type, queue, tag, id, after, before"));
}

function chips({ query }) {
  const on = new Set(query.getAll("status").map((status) => status.toUpperCase()));
  const toggle = (status) => turned("/tasks", query, (next) =>
    (on.has(status) ? next.delete("status", status) : next.append("status", status)));
  const others = FILTERS.filter((name) => name !== "status")
    .flatMap((name) => query.getAll(name).map((value) => [name, value]));
  return h("div", { class: "chips", role: "group", "aria-label": "Filters" },
    ...STATUSES.map((status) =>
      chip(words(status), on.has(status), () => toggle(status), { "data-tone": tone(status) })),
    ...others.map(([name, value]) =>
      taken(name, value, () => turned("/tasks", query, (next) => next.delete(name, value)))));
}

function pick({ state, redraw }, tasks, isOn) {
  for (const task of tasks) isOn ? state.picked.set(task.id, task) : state.picked.delete(task.id);
  state.isAll = false;
  redraw();
}

function clear({ state, redraw }) {
  state.picked.clear();
  state.isAll = false;
  redraw();
}

async function perform(context, action) {
  const { state, query, refresh } = context;
  const isDone = await told(() => act(action, [...state.picked.values()], state.isAll ? filtersOf(query) : null));
  if (!isDone) return;
  clear(context);
  await refresh();
}

function picked(context) {
  const { state, query, data, redraw } = context;
  if (!state.picked?.size) return null;
  const hasMore = data.next_cursor && Object.keys(filtersOf(query)).length > 0;
  const takeAll = () => { state.isAll = true; redraw(); };
  const count = state.isAll ? "All that match the filter" : `${plural(state.picked.size, "task")} selected`;
  const doing = (action) => button(`${ACTIONS[action].name} …`, () => perform(context, action),
    { kind: action === "retry" ? "" : "danger", "data-action": action });
  return h("div", { class: "picked", role: "group", "aria-label": "Selected tasks", "data-key": "picked" },
    h("strong", { role: "status" }, count),
    hasMore && !state.isAll && button("Select all that match the filter", takeAll, { kind: "quiet" }),
    h("span", { class: "grow" }), ...Object.keys(ACTIONS).map(doing),
    button("Clear", () => clear(context), { kind: "quiet" }));
}

function selecting(context) {
  const { data: { data: rows }, state } = context;
  const onPage = rows.filter((task) => state.picked.has(task.id)).length;
  const box = (tasks, label, given) => h("input", {
    type: "checkbox", "aria-label": label, onchange: ({ target }) => pick(context, tasks, target.checked), ...given,
  });
  const isWhole = onPage > 0 && onPage === rows.length;
  const some = { checked: isWhole, indeterminate: onPage > 0 && !isWhole };
  return {
    name: "Select", label: false, head: box(rows, "Select all tasks on this page", some),
    cell: (task) => box([task], `Select ${task.type} ${short(task.id)}`, { checked: state.picked.has(task.id) }),
  };
}

const named = (task) => [
  h("a", { href: link(`/tasks/${task.id}`) }, task.type), " ",
  h("code", { class: "muted", title: task.id }, short(task.id))];

const standing = ({ status, progress }) => [badge(status), status === "PROCESSING" && progress
  && h("span", { class: "small muted num" }, ` ${Math.round(progress.percent)} %`)];

const columns = (context) => [
  may("write") && selecting(context),
  { name: "Task", label: false, cell: named },
  { name: "Status", label: false, cell: standing },
  { name: "Queue", cell: (task) => task.queue },
  { name: "Attempt", kind: "num", cell: (task) => `${task.attempt}/${task.max_attempts}` },
  { name: "Took", kind: "num", cell: (task) => h("span", { class: "nowrap" }, seconds(task.duration)) },
  { name: "Created", kind: "num", cell: (task) => when(task.created_at) },
  { name: "Tags", label: false,
    cell: (task) => task.tags.slice(0, MOST_TAGS).map((tag) => [h("span", { class: "tag", title: tag }, tag), " "]) },
].filter(Boolean);

const nothing = (query) => ([...query].length
  ? empty("No task matches", "Take a filter away, or look for something else.",
    h("a", { class: "button", href: link("/tasks") }, "All tasks"))
  : empty("No tasks yet", "What is submitted stands here, newest first.",
    h("a", { class: "button primary", href: link("/submit") }, "Submit a task")));

function list(context) {
  const { data: { data: rows }, query } = context;
  return h("section", { class: "card" }, picked(context),
    rows.length ? table("Tasks", columns(context), rows, (task) => task.id) : nothing(query));
}

export default {
  title: "Tasks",
  // A page further back is looked at, not watched.
  every: ({ query }) => (query.get("cursor") ? null : 4_000),
  load,
  draw: (context) => [search(context), chips(context), list(context),
    pager("/tasks", context.query, context.data.next_cursor)].filter(Boolean),
};
