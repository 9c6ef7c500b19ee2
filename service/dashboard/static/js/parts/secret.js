// The secret that receivers verify webhooks with: shown when asked for, and rotated.
import { get, post } from "../api.js";
import { h } from "../dom.js";
import { full } from "../format.js";
import { may } from "../session.js";
import { button } from "./button.js";
import { copyButton } from "./code.js";
import { confirm } from "./dialog.js";
import { empty, told } from "./notes.js";
import { inside } from "./table.js";

const OVERLAP = "A new one signs from now on; the one before signs too for 24 hours more. "
  + "Give receivers the new one meanwhile.";
const CARE = "It verifies what this service sends. Whoever has it can forge webhooks.";

async function reveal({ state, redraw }) {
  state.secret = await told(() => get("/webhooks/secret"));
  redraw();
}

function rotate({ state, redraw }) {
  const send = async () => { state.secret = await post("/webhooks/secret/rotate"); };
  confirm("Rotate the webhook secret?", OVERLAP, "Rotate the secret", send).then((done) => done && redraw());
}

function hide({ state, redraw }) {
  state.secret = null;
  redraw();
}

const shown = (known, context) => h("div", { class: "fields" },
  h("div", { class: "secret" }, h("code", {}, known.secret), copyButton(known.secret, "the secret")),
  h("p", { class: "small muted" }, `Made ${full(known.created_at)}.`),
  ...known.previous.map((one) => h("p", { class: "small muted" },
    "Still signs: ", h("code", {}, one.secret), ` until ${full(one.expires_at)}.`)),
  h("div", { class: "row" },
    button("Rotate …", () => rotate(context), { kind: "danger" }), button("Hide", () => hide(context))));

export function secret(context) {
  const { secret: known } = context.state;
  if (!may("admin")) return empty("For admins", "The secret is shown to keys with the scope admin.");
  if (known) return inside(shown(known, context));
  return inside(h("div", { class: "row" },
    button("Show the secret", () => reveal(context)), h("span", { class: "muted small" }, CARE)));
}
