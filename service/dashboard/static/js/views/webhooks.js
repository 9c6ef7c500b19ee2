// Webhooks: the secret receivers verify with, its rotation, and the deliveries of one task.
import { get, post } from "../api.js";
import { h } from "../dom.js";
import { full } from "../format.js";
import { copyButton } from "../parts/code.js";
import { deliveries } from "../parts/deliveries.js";
import { confirm } from "../parts/dialog.js";
import { field, text } from "../parts/fields.js";
import { empty, told } from "../parts/notes.js";
import { card, inside } from "../parts/table.js";
import { go, link } from "../router.js";
import { may } from "../session.js";

async function load({ query, signal }) {
  const id = query.get("task");
  return { id, sent: id ? (await get(`/tasks/${encodeURIComponent(id)}/deliveries`, {}, signal)).data : null };
}

const reveal = ({ state, redraw }) => told(() => get("/webhooks/secret")).then((secret) => { if (secret) { state.secret = secret; redraw(); } });

function rotate({ state, redraw }) {
  confirm("Rotate the webhook secret?", "A new one signs from now on; the one before signs too for 24 hours more. Give receivers the new one meanwhile.", "Rotate the secret", async () => { state.secret = await post("/webhooks/secret/rotate"); })
    .then((done) => done && redraw());
}

function secret(context) {
  const { secret: known } = context.state;
  if (!may("admin")) return empty("For admins", "The secret is shown to keys with the scope admin.");
  if (!known) return inside(h("div", { class: "row" }, h("button", { class: "button", type: "button", onclick: () => reveal(context) }, "Show the secret"), h("span", { class: "muted small" }, "It verifies what this service sends. Whoever has it can forge webhooks.")));
  return inside(h("div", { class: "fields" }, h("div", { class: "secret" }, h("code", {}, known.secret), copyButton(known.secret, "the secret")), h("p", { class: "small muted" }, `Made ${full(known.created_at)}.`),
    ...known.previous.map((one) => h("p", { class: "small muted" }, "Still signs: ", h("code", {}, one.secret), ` until ${full(one.expires_at)}.`)),
    h("div", { class: "row" }, h("button", { class: "button danger", type: "button", onclick: () => rotate(context) }, "Rotate …"), h("button", { class: "button", type: "button", onclick: () => { context.state.secret = null; context.redraw(); } }, "Hide"))));
}

function find({ id }) {
  const task = field("Task id", text(id ?? "", { placeholder: "the id of a task with a callback_url" }), { isRequired: true });
  return h("form", { class: "fields", "data-keep": true, "data-key": "find", onsubmit: (event) => { event.preventDefault(); go("/webhooks", { task: task.read().trim() }); } }, task.node, h("div", {}, h("button", { class: "button", type: "submit" }, "Show its deliveries")));
}

function found({ data, refresh }) {
  if (!data.id) return null;
  if (!data.sent.length) return empty("Nothing was sent", "This task has no callback_url, or has not ended yet.");
  return deliveries(data.sent, refresh);
}

export default {
  title: "Webhooks",
  isLive: false,
  absent: { title: "There is no such task", text: "Its id is wrong, it belongs to another tenant, or retention has removed it." },
  every: ({ data }) => (data?.sent?.some((one) => one.state === "waiting") ? 2_000 : null),
  load,
  draw: (context) => [card("Signing secret", secret(context)), card("Deliveries of a task", [inside(find(context.data)), found(context)].filter(Boolean)),
    h("p", { class: "small muted" }, "A task's own page shows its deliveries, too. ", h("a", { href: link("/tasks") }, "Tasks"))],
};
