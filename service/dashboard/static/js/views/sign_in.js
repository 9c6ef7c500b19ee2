// The door: asks for a key once, and gives it to the service for a session.
import { h } from "../dom.js";
import { field, text } from "../parts/fields.js";
import { signIn } from "../session.js";

export function signInPage(done) {
  const key = field("API key", text("", { type: "password", placeholder: "trk_…", autocomplete: "off" }), { isRequired: true, hint: "It is exchanged for a session of twelve hours, and not kept in this browser." });
  const button = h("button", { class: "button primary", type: "submit" }, "Sign in");
  const submit = async (event) => {
    event.preventDefault();
    key.wrong(null);
    button.disabled = true;
    try {
      await signIn(key.read().trim());
      done();
    } catch (error) {
      key.wrong(error.status === 401 || error.status === 422 ? "This key is not valid." : error.message);
      button.disabled = false;
      key.input.select();
    }
  };
  document.title = "Sign in · Task Runner";
  const page = h("main", { class: "sign-in" }, h("form", { onsubmit: submit },
    h("div", { class: "brand" }, h("img", { src: "/dashboard/icon.svg", alt: "" }), "Task Runner"), h("h1", {}, "Sign in"), key.node, button));
  queueMicrotask(() => key.input.focus());
  return page;
}
