// API keys: made, rotated and revoked; a secret is shown once, here, and nowhere again.
import { get, post, remove } from "../api.js";
import { h } from "../dom.js";
import { ago, full } from "../format.js";
import { badge } from "../parts/badge.js";
import { copyButton } from "../parts/code.js";
import { ask, confirm } from "../parts/dialog.js";
import { asNumber, asTime, field, figure, text } from "../parts/fields.js";
import { banner, empty } from "../parts/notes.js";
import { table } from "../parts/table.js";
import { may, signIn, who } from "../session.js";

const SCOPES = [["read", "reads tasks, queues and workers"], ["write", "submits and changes"], ["admin", "everything, keys too"]];

function scopes(isFirst) {
  const boxes = SCOPES.map(([scope]) => h("input", { type: "checkbox", name: scope, checked: isFirst ? scope === "admin" : scope !== "admin" }));
  const node = h("fieldset", { class: "field plain" }, h("legend", { class: "label" }, "Scopes"), ...SCOPES.map(([scope, meaning], at) => h("label", { class: "check" }, boxes[at], h("span", {}, scope, h("span", { class: "muted small" }, ` ${meaning}`)))));
  return { node, read: () => boxes.filter((box) => box.checked).map((box) => box.name) };
}

async function create({ data, state, refresh }) {
  const name = field("Name", text("", { placeholder: "web-team" }), { isRequired: true, hint: "Whose it is, what it is for." });
  const end = field("Ends", text("", { type: "datetime-local" }), { read: asTime, hint: "Empty: never." });
  const chosen = scopes(!data.data.length && who().state === "open");
  const send = () => post("/keys", { name: name.read(), scopes: chosen.read(), expires_at: end.read() ?? null });
  const made = await ask({ title: "New key", body: h("div", { class: "fields" }, name.node, chosen.node, end.node), action: "Create the key", send });
  if (!made) return;
  state.made = made;
  // From the first key on everybody needs one: this page goes on with it, or the secret would be gone with the page.
  if (who().state === "open" && made.key) await signIn(made.key);
  refresh();
}

async function rotate({ state, refresh }, key) {
  const overlap = field("Overlap in hours", figure(24, { min: 0, max: 720 }), { read: asNumber, hint: "So long the old key works on." });
  const send = () => post(`/keys/${key.id}/rotate`, { overlap: (overlap.read() ?? 24) * 3_600 });
  const made = await ask({ title: `Rotate ${key.name}`, body: overlap.node, action: "Rotate the key", send });
  if (made) { state.made = made; refresh(); }
}

const revoke = ({ refresh }, key) => confirm(`Revoke ${key.name}?`, key.id === who().key_id ? "You are signed in with this key: you will be signed out." : "Whoever uses it is refused within seconds.", "Revoke the key", () => remove(`/keys/${key.id}`)).then((done) => done && refresh());

function fresh({ state, redraw }) {
  const { made } = state;
  if (!made?.key) return null;
  return h("section", { class: "card", "data-key": "made" }, h("header", {}, h("h2", {}, `The key ${made.name}`), h("button", { class: "button", type: "button", onclick: () => { state.made = null; redraw(); } }, "I have kept it")),
    h("div", { class: "body fields" }, banner("amber", "It is shown this once. Keep it now."), h("div", { class: "secret" }, h("code", {}, made.key), copyButton(made.key, "the key"))));
}

const when = (time, never) => (time ? h("time", { class: "nowrap", datetime: time, title: full(time) }, ago(time)) : never);

function list(context) {
  const { data: { data } } = context;
  return data.length ? table("Keys", [
    { name: "Key", label: false, cell: (key) => [h("strong", {}, key.name), " ", h("code", { class: "muted" }, key.id), " ", key.id === who().key_id && h("span", { class: "tag" }, "yours"), key.replaced_by && badge("replaced")] },
    { name: "Scopes", label: false, cell: (key) => key.scopes.map((scope) => [h("span", { class: "tag" }, scope), " "]) },
    { name: "Created", kind: "num", cell: (key) => when(key.created_at, "–") }, { name: "Used", kind: "num", cell: (key) => when(key.last_used_at, "never") }, { name: "Ends", kind: "num", cell: (key) => when(key.expires_at, "never") },
    { name: "Actions", kind: "actions", label: false, cell: (key) => [h("button", { class: "button", type: "button", disabled: Boolean(key.replaced_by), onclick: () => rotate(context, key) }, "Rotate …"), " ", h("button", { class: "button danger", type: "button", onclick: () => revoke(context, key) }, "Revoke …")] }], data, (key) => key.id)
    : empty("No key exists", "As long as that is so, only this machine is served, and no key is asked for. From the first key on, everybody needs one: make it an admin key, and sign in with it.");
}

export default {
  title: "Keys",
  needs: "/keys",
  absent: { title: "Keys are not available here", text: "This installation's API does not manage keys over REST yet. TASKRUNNER_BOOTSTRAP_KEY makes the first." },
  isLive: false,
  load: async ({ signal }) => get("/keys", {}, signal),
  draw: (context) => [fresh(context), h("section", { class: "card" }, h("header", {}, h("h2", {}, "Keys"), may("admin") && h("button", { class: "button primary", type: "button", onclick: () => create(context) }, "New key …")), list(context))].filter(Boolean),
};
