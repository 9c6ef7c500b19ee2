// API keys: made, rotated and revoked; a secret is shown once, here, and nowhere again.
import { get, post, remove } from "../api.js";
import { h } from "../dom.js";
import { badge } from "../parts/badge.js";
import { button } from "../parts/button.js";
import { copyButton } from "../parts/code.js";
import { ask, confirm } from "../parts/dialog.js";
import { asNumber, asTime, field, figure, text } from "../parts/fields.js";
import { banner, empty, told } from "../parts/notes.js";
import { table } from "../parts/table.js";
import { when } from "../parts/time.js";
import { may, signIn, who } from "../session.js";

const SCOPES = { read: "reads tasks, queues and workers", write: "submits and changes", admin: "everything, keys too" };
const OVERLAP_HOURS = 24, MOST_HOURS = 720;

function scopes(isFirst) {
  const isChosen = (scope) => (isFirst ? scope === "admin" : scope !== "admin");
  const boxes = Object.keys(SCOPES).map((scope) =>
    h("input", { type: "checkbox", name: scope, checked: isChosen(scope) }));
  const node = h("fieldset", { class: "field plain" }, h("legend", { class: "label" }, "Scopes"),
    ...boxes.map((box) => h("label", { class: "check" }, box,
      h("span", {}, box.name, h("span", { class: "muted small" }, ` ${SCOPES[box.name]}`)))));
  return { node, read: () => boxes.filter((box) => box.checked).map((box) => box.name) };
}

async function create({ data, state, refresh }) {
  const isOpen = who().state === "open";
  const hint = "Whose it is, what it is for.";
  const name = field("Name", text("", { placeholder: "web-team" }), { isRequired: true, hint });
  const end = field("Ends", text("", { type: "datetime-local" }), { read: asTime, hint: "Empty: never." });
  const chosen = scopes(!data.data.length && isOpen);
  const send = () => post("/keys", { name: name.read(), scopes: chosen.read(), expires_at: end.read() ?? null });
  const body = h("div", { class: "fields" }, name.node, chosen.node, end.node);
  const made = await ask({ title: "New key", body, action: "Create the key", send });
  if (!made) return;
  state.made = made;
  // From the first key on everybody needs one: this page goes on with it, or the secret would be gone with the page.
  if (isOpen && made.key) await told(() => signIn(made.key));
  refresh();
}

async function rotate({ state, refresh }, key) {
  const hours = field("Overlap in hours", figure(OVERLAP_HOURS, { min: 0, max: MOST_HOURS }),
    { read: asNumber, hint: "So long the old key works on." });
  const send = () => post(`/keys/${key.id}/rotate`, { overlap: (hours.read() ?? OVERLAP_HOURS) * 3_600 });
  const made = await ask({ title: `Rotate ${key.name}`, body: hours.node, action: "Rotate the key", send });
  if (!made) return;
  state.made = made;
  // The page goes on with the new one: with the old one's end it would lose the secret, before anybody has read it.
  if (key.id === who().key_id && made.key) await told(() => signIn(made.key));
  refresh();
}

function revoke({ refresh }, key) {
  const isOwn = key.id === who().key_id;
  const text = isOwn ? "You are signed in with this key: you will be signed out."
    : "Whoever uses it is refused within seconds.";
  confirm(`Revoke ${key.name}?`, text, "Revoke the key", () => remove(`/keys/${key.id}`))
    .then((done) => done && refresh());
}

function fresh({ state, redraw }) {
  const { made } = state;
  if (!made?.key) return null;
  const forget = () => { state.made = null; redraw(); };
  return h("section", { class: "card", "data-key": "made" },
    h("header", {}, h("h2", {}, `The key ${made.name}`), button("I have kept it", forget)),
    h("div", { class: "body fields" }, banner("amber", "It is shown this once. Keep it now."),
      h("div", { class: "secret" }, h("code", {}, made.key), copyButton(made.key, "the key"))));
}

const named = (key) => [
  h("strong", {}, key.name), " ", h("code", { class: "muted" }, key.id), " ",
  key.id === who().key_id && h("span", { class: "tag" }, "yours"), key.replaced_by && badge("replaced")];

const actions = (context, key) => [
  button("Rotate …", () => rotate(context, key), { disabled: Boolean(key.replaced_by) }), " ",
  button("Revoke …", () => revoke(context, key), { kind: "danger" })];

const list = (context) => table("Keys", [
  { name: "Key", label: false, cell: named },
  { name: "Scopes", label: false, cell: (key) => key.scopes.map((scope) => [h("span", { class: "tag" }, scope), " "]) },
  { name: "Created", kind: "num", cell: (key) => when(key.created_at) },
  { name: "Used", kind: "num", cell: (key) => when(key.last_used_at, "never") },
  { name: "Ends", kind: "num", cell: (key) => when(key.expires_at, "never") },
  { name: "Actions", kind: "actions", label: false, cell: (key) => actions(context, key) },
], context.data.data, (key) => key.id);

const nobody = () => empty("No key exists",
  "As long as that is so, only this machine is served, and no key is asked for. "
  + "From the first key on, everybody needs one: make it an admin key, and sign in with it.");

export default {
  title: "Keys",
  isLive: false,
  load: ({ signal }) => get("/keys", {}, signal),
  draw: (context) => [fresh(context), h("section", { class: "card" },
    h("header", {}, h("h2", {}, "Keys"),
      may("admin") && button("New key …", () => create(context), { kind: "primary" })),
    context.data.data.length ? list(context) : nobody())].filter(Boolean),
};
