// The door: asks for a key once, and gives it to the service for a session.
import { h } from "../dom.js";
import { field, text } from "../parts/fields.js";
import { signIn } from "../session.js";

const KEPT = "It is exchanged for a session of twelve hours, and not kept in this browser.";
const WRONG = new Set([401, 422]);

export function signInPage(done) {
  const box = text("", { type: "password", placeholder: "trk_…", autocomplete: "off" });
  const key = field("API key", box, { isRequired: true, hint: KEPT });
  const button = h("button", { class: "button primary", type: "submit" }, "Sign in");
  const submit = async (event) => {
    event.preventDefault();
    key.wrong(null);
    button.disabled = true;
    try {
      await signIn(key.read().trim());
      done();
    } catch (error) {
      key.wrong(WRONG.has(error.status) ? "This key is not valid." : error.message);
      button.disabled = false;
      box.select();
    }
  };
  document.title = "Sign in · Task Runner";
  const brand = h("div", { class: "brand" }, h("img", { src: "/dashboard/icon.svg", alt: "" }), "Task Runner");
  queueMicrotask(() => box.focus());
  return h("main", { class: "sign-in" },
    h("form", { onsubmit: submit }, brand, h("h1", {}, "Sign in"), key.node, button));
}
