// Webhooks: what was sent and what became of it, newest first; sending again; and the secret receivers verify with.
import { get, post } from "../api.js";
import { h } from "../dom.js";
import { plural, short } from "../format.js";
import { tone, words } from "../parts/badge.js";
import { button } from "../parts/button.js";
import { chip, taken } from "../parts/chip.js";
import { deliveries } from "../parts/deliveries.js";
import { ask } from "../parts/dialog.js";
import { empty, toast } from "../parts/notes.js";
import { pager } from "../parts/pager.js";
import { secret } from "../parts/secret.js";
import { card } from "../parts/table.js";
import { link, turned } from "../router.js";
import { may } from "../session.js";

const PATH = "/webhooks", LIMIT = 50;
const STATES = ["waiting", "delivered", "failed", "gone"];
const GIVEN_UP = new Set(["failed", "gone"]);
const SAME_ID = "Each under its own id and with the whole schedule before it: receivers that know the id ignore it.";

async function load({ query, signal }) {
  const task = query.get("task"), states = query.getAll("state");
  if (!task) return get("/deliveries", { state: states, cursor: query.get("cursor"), limit: LIMIT }, signal);
  const { data } = await get(`/tasks/${encodeURIComponent(task)}/deliveries`, {}, signal);
  return { data: data.reverse().filter((one) => !states.length || states.includes(one.state)), next_cursor: null };
}

function filters({ query }) {
  const on = new Set(query.getAll("state")), task = query.get("task");
  const toggle = (state) => turned(PATH, query, (next) =>
    (on.has(state) ? next.delete("state", state) : next.append("state", state)));
  return h("div", { class: "chips", role: "group", "aria-label": "Filters" },
    ...STATES.map((state) => chip(words(state), on.has(state), () => toggle(state), { "data-tone": tone(state) })),
    task && taken("task", short(task), () => turned(PATH, query, (next) => next.delete("task"))));
}

// One after the other; what moved on meanwhile is left to itself.
async function sendEach(rows, say) {
  let sent = 0;
  for (const one of rows) {
    try {
      await post(`/deliveries/${one.id}/replay`);
      sent += 1;
    } catch (error) {
      if (error.status !== 409) throw error;
    }
    say(`${sent} of ${rows.length} …`);
  }
  return { sent };
}

async function sendAll(rows, refresh) {
  const count = plural(rows.length, "webhook"), body = h("p", { class: "muted", role: "status" });
  const send = () => sendEach(rows, (text) => { body.textContent = text; });
  const done = await ask({ title: `Send ${count} again?`, text: SAME_ID, body, action: `Send ${count}`, send });
  if (done) toast(`${plural(done.sent, "webhook")} on the way again.`);
  refresh();
}

const nothing = (query) => ([...query].length
  ? empty("No webhook matches", "A task without a callback_url, or one that has not ended, has none.",
    h("a", { class: "button", href: link(PATH) }, "All webhooks"))
  : empty("No webhooks yet", "A task or workflow with a callback_url tells how it ended. What is sent stands here.",
    h("a", { class: "button", href: link("/submit") }, "Submit a task")));

function list({ data: { data: rows }, query, refresh }) {
  const lost = rows.filter((one) => GIVEN_UP.has(one.state));
  const all = button(`Send the ${lost.length} that failed again …`, () => sendAll(lost, refresh));
  return card("Deliveries", rows.length ? deliveries(rows, refresh, { isMixed: true }) : nothing(query),
    ...(may("write") && lost.length > 1 ? [all] : []));
}

function every({ data, query }) {
  if (query.get("cursor")) return null; // a page further back is looked at, not watched
  return data?.data.some((one) => one.state === "waiting") ? 2_000 : 5_000;
}

export default {
  title: "Webhooks",
  isLive: false,
  absent: {
    title: "There is no such task",
    text: "Its id is wrong, it belongs to another tenant, or retention has removed it.",
  },
  every,
  load,
  draw: (context) => [filters(context), list(context), pager(PATH, context.query, context.data.next_cursor),
    card("Signing secret", secret(context))].filter(Boolean),
};
