// Schedules: what the clock makes, when next, and everything one does to them.
import { get, patchAt, post, remove } from "../api.js";
import { h } from "../dom.js";
import { seconds } from "../format.js";
import { badge } from "../parts/badge.js";
import { button } from "../parts/button.js";
import { ask, confirm } from "../parts/dialog.js";
import { asJson, asNumber, asText, choice, code, field, figure, place, text } from "../parts/fields.js";
import { empty, told } from "../parts/notes.js";
import { pager } from "../parts/pager.js";
import { table } from "../parts/table.js";
import { when } from "../parts/time.js";
import { go, link } from "../router.js";
import { may } from "../session.js";

const LIMIT = 100;
const CATCH_UP = [["one", "one task for the last"], ["skip", "none"], ["all", "a task each"]];

async function load({ signal, query }) {
  const [page, types, queues] = await Promise.all([
    get("/schedules", { limit: LIMIT, cursor: query.get("cursor") }, signal),
    get("/task-types", {}, signal), get("/queues", {}, signal)]);
  return { rows: page.data, next: page.next_cursor, types: types.data, queues: queues.data };
}

function fieldsOf({ types, queues }, now) {
  const written = JSON.stringify(now?.input ?? {}, null, 2);
  const names = queues.map((queue) => queue.name), kinds = types.map((type) => type.name);
  return {
    "/name": field("Name", text(now?.name ?? "", { placeholder: "nightly-report" }), { isRequired: true }),
    "/type": field("Task type", choice(kinds, now?.type ?? kinds[0]), { isRequired: true }),
    "/cron": field("Cron", text(now?.cron ?? "", { placeholder: "30 2 * * *", class: "input mono" }),
      { read: asText, hint: "Minute, hour, day, month, weekday; or @daily. Or give seconds:" }),
    "/every": field("Every … seconds", figure(now?.every ?? "", { min: 1 }), { read: asNumber }),
    "/timezone": field("Time zone", text(now?.timezone ?? "", { placeholder: "UTC" }),
      { read: asText, hint: "Such as Europe/Berlin; of the cron." }),
    "/queue": field("Queue", choice([["", "as the type says"], ...names], now?.queue ?? ""), { read: asText }),
    "/catch_up": field("Ticks missed in an outage", choice(CATCH_UP, now?.catch_up ?? "one")),
    "/input": field("Input", code(written, { rows: 6 }),
      { isRequired: true, read: ({ value }) => asJson(value, "The input") }),
  };
}

// Only what differs from `now`: for the service, giving cron takes `every` away, and the other way round.
function written(fields, now) {
  const isGiven = (value) => value !== undefined && value !== "";
  const isSame = (name, value) => now && JSON.stringify(now[name]) === JSON.stringify(value);
  const body = {};
  for (const [at, one] of Object.entries(fields)) {
    const name = at.slice(1), value = one.read();
    if (isGiven(value) && !isSame(name, value)) body[name] = value;
  }
  if (now?.queue && fields["/queue"].read() === undefined) body.queue = null;
  return body;
}

async function edit({ data, refresh }, now) {
  const fields = fieldsOf(data, now);
  const send = async () => {
    const body = written(fields, now);
    try {
      return await (now ? patchAt(`/schedules/${now.id}`, body) : post("/schedules", body, { once: true }));
    } catch (error) {
      if (!("places" in error)) throw error;
      throw new Error(place(error, fields) ?? "See the fields above.");
    }
  };
  const body = h("div", { class: "fields" }, ...Object.values(fields).map((one) => one.node));
  const [title, action] = now ? [`Change ${now.name}`, "Save"] : ["New schedule", "Create"];
  if (await ask({ title, body, action, send })) refresh();
}

async function run(one) {
  const task = await told(() => post(`/schedules/${one.id}/run`, undefined, { once: true }), "Its task is accepted.");
  if (task) go(`/tasks/${task.id}`);
}

const turn = (one, refresh) => told(() => patchAt(`/schedules/${one.id}`, { enabled: !one.enabled }),
  one.enabled ? `${one.name} is paused.` : `${one.name} goes on.`).then(refresh);

const drop = (one, refresh) => confirm(`Delete ${one.name}?`, "Tasks it made stay.", "Delete the schedule",
  () => remove(`/schedules/${one.id}`)).then((done) => done && refresh());

// The service's own can be paused, by those who run it, and nothing else.
function actions(context, one) {
  const { refresh } = context;
  if (!may("write")) return null;
  const pause = (given) => button(one.enabled ? "Pause" : "Resume", () => turn(one, refresh), given);
  if (one.built_in) return pause({ disabled: !may("admin") });
  return [button("Run now", () => run(one)), " ", pause(), " ", button("Edit …", () => edit(context, one)), " ",
    button("Delete …", () => drop(one, refresh), { kind: "danger" })];
}

const named = (one) => [
  h("a", { href: link("/tasks", { tag: `schedule:${one.name}` }) }, h("strong", {}, one.name)), " ",
  one.built_in && h("span", { class: "tag" }, "built in"), " ", !one.enabled && badge("paused")];

const rhythm = (one) => (one.cron
  ? [h("code", {}, one.cron), h("span", { class: "small muted" }, ` ${one.timezone}`)]
  : `every ${seconds(one.every)}`);

const list = (context) => table("Schedules", [
  { name: "Schedule", label: false, cell: named },
  { name: "Type", cell: (one) => one.type },
  { name: "When", label: false, cell: rhythm },
  { name: "Next", kind: "num", cell: (one) => when(one.next_run) },
  { name: "Last", kind: "num", cell: (one) => when(one.last_run) },
  { name: "Actions", kind: "actions", label: false, cell: (one) => actions(context, one) },
], context.data.rows, (one) => one.id);

const nothing = () =>
  empty("No schedules", "A schedule makes a task again and again: by cron or every so many seconds.");

export default {
  title: "Schedules",
  every: 5_000,
  load,
  draw: (context) => [h("section", { class: "card" },
    h("header", {}, h("h2", {}, "Schedules"),
      may("write") && button("New schedule …", () => edit(context), { kind: "primary" })),
    context.data.rows.length ? list(context) : nothing()),
  pager("/schedules", context.query, context.data.next)].filter(Boolean),
};
