// Schedules: what the clock makes, when next, and everything one does to them.
import { get, patchAt, post, remove } from "../api.js";
import { h } from "../dom.js";
import { ago, full, seconds } from "../format.js";
import { badge } from "../parts/badge.js";
import { ask, confirm } from "../parts/dialog.js";
import { area, asJson, asNumber, asText, choice, field, figure, place, text } from "../parts/fields.js";
import { empty, told } from "../parts/notes.js";
import { table } from "../parts/table.js";
import { go, link } from "../router.js";
import { may } from "../session.js";

async function load({ signal, query }) {
  const [page, types, queues] = await Promise.all([get("/schedules", { limit: 100, cursor: query.get("cursor") }, signal), get("/task-types", {}, signal), get("/queues", {}, signal)]);
  return { rows: page.data, next: page.next_cursor, types: types.data, queues: queues.data };
}

function fieldsOf({ types, queues }, now) {
  return {
    "/name": field("Name", text(now?.name ?? "", { placeholder: "nightly-report" }), { isRequired: true }),
    "/type": field("Task type", choice(types.map((type) => type.name), now?.type ?? types[0].name), { isRequired: true }),
    "/cron": field("Cron", text(now?.cron ?? "", { placeholder: "30 2 * * *", class: "input mono" }), { read: asText, hint: "Minute, hour, day, month, weekday; or @daily. Or give seconds:" }),
    "/every": field("Every … seconds", figure(now?.every ?? "", { min: 1 }), { read: asNumber }),
    "/timezone": field("Time zone", text(now?.timezone ?? "", { placeholder: "UTC" }), { read: asText, hint: "Such as Europe/Berlin; of the cron." }),
    "/queue": field("Queue", choice([["", "as the type says"], ...queues.map((queue) => queue.name)], now?.queue ?? ""), { read: asText }),
    "/catch_up": field("Ticks missed in an outage", choice([["one", "one task for the last"], ["skip", "none"], ["all", "a task each"]], now?.catch_up ?? "one")),
    "/input": field("Input", area(JSON.stringify(now?.input ?? {}, null, 2), { class: "input code", rows: 6 }), { isRequired: true, read: ({ value }) => asJson(value, "The input") }),
  };
}

// Only what differs from `now` is sent: giving cron takes `every` away, and the other way round.
function written(fields, now) {
  const given = Object.entries(fields).map(([at, one]) => [at.slice(1), one.read()]).filter(([, value]) => value !== undefined && value !== "");
  const isSame = ([name, value]) => now && JSON.stringify(now[name]) === JSON.stringify(value);
  const body = Object.fromEntries(given.filter((pair) => !isSame(pair)));
  if (now && now.queue && fields["/queue"].read() === undefined) body.queue = null;
  if (now && "cron" in body && !("every" in body && fields["/every"].read() !== now.every)) delete body.every;
  return body;
}

async function edit({ data, refresh }, now) {
  const fields = fieldsOf(data, now);
  const send = async () => {
    try {
      const body = written(fields, now);
      return await (now ? patchAt(`/schedules/${now.id}`, body) : post("/schedules", body, { once: true }));
    } catch (error) {
      if (!("places" in error)) throw error;
      throw new Error(place(error, fields) ?? "See the fields above.");
    }
  };
  const body = h("div", { class: "fields" }, ...Object.values(fields).map((one) => one.node));
  if (await ask({ title: now ? `Change ${now.name}` : "New schedule", body, action: now ? "Save" : "Create", send })) refresh();
}

function actions(context, one) {
  if (!may("write")) return null;
  const { refresh } = context, at = `/schedules/${one.id}`;
  const turn = () => told(() => patchAt(at, { enabled: !one.enabled }), one.enabled ? `${one.name} is paused.` : `${one.name} goes on.`).then(refresh);
  const run = () => told(() => post(`${at}/run`, undefined, { once: true }), "Its task is accepted.").then((task) => task && go(`/tasks/${task.id}`));
  const drop = () => confirm(`Delete ${one.name}?`, "Tasks it made stay.", "Delete the schedule", () => remove(at)).then((done) => done && refresh());
  const button = (name, work, more = {}) => [h("button", { class: "button", type: "button", onclick: work, ...more }, name), " "];
  return [one.built_in ? null : button("Run now", run), button(one.enabled ? "Pause" : "Resume", turn, { disabled: one.built_in && !may("admin") }), one.built_in ? null : [button("Edit …", () => edit(context, one)), button("Delete …", drop, { class: "button danger" })]];
}

const when = (time) => (time ? h("time", { class: "nowrap", datetime: time, title: full(time) }, ago(time)) : "–");
const rhythm = (one) => (one.cron ? [h("code", {}, one.cron), h("span", { class: "small muted" }, ` ${one.timezone}`)] : `every ${seconds(one.every)}`);

function list(context) {
  const { rows } = context.data;
  return rows.length ? table("Schedules", [
    { name: "Schedule", label: false, cell: (one) => [h("a", { href: link("/tasks", { tag: `schedule:${one.name}` }) }, h("strong", {}, one.name)), " ", one.built_in && h("span", { class: "tag" }, "built in"), " ", !one.enabled && badge("paused")] },
    { name: "Type", cell: (one) => one.type }, { name: "When", label: false, cell: rhythm }, { name: "Next", kind: "num", cell: (one) => when(one.next_run) }, { name: "Last", kind: "num", cell: (one) => when(one.last_run) },
    { name: "Actions", kind: "actions", label: false, cell: (one) => actions(context, one) }], rows, (one) => one.id)
    : empty("No schedules", "A schedule makes a task again and again: by cron or every so many seconds.");
}

export default {
  title: "Schedules",
  every: 5_000,
  load,
  draw: (context) => [h("section", { class: "card" }, h("header", {}, h("h2", {}, "Schedules"), may("write") && h("button", { class: "button primary", type: "button", onclick: () => edit(context) }, "New schedule …")), list(context)),
    context.data.next && h("a", { class: "button", href: link("/schedules", { cursor: context.data.next }) }, "Older")].filter(Boolean),
};
