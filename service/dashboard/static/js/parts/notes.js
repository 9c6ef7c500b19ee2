// The states a page can be in besides full: loading, empty, broken, not there; and words in passing.
import { h } from "../dom.js";
import { icon } from "./icons.js";

export const bones = (rows = 6) => h("div", { class: "card bones", role: "status", "aria-label": "Loading" },
  ...Array.from({ length: rows }, (_, at) => h("span", { class: "bone", width_percent: 90 - ((at * 37) % 50) })));

export const empty = (title, text, ...actions) => h("div", { class: "note" }, icon("empty"), h("h3", {}, title), text && h("p", {}, text), actions.length > 0 && h("div", { class: "row" }, ...actions));

export function broken(error, again) {
  const title = { 0: "No answer", 403: "Your key does not allow this", 503: "The service is recovering" }[error.status] ?? "That did not work";
  return h("section", { class: "card note", role: "alert" }, icon("warn"), h("h2", {}, title), h("p", {}, error.message),
    error.requestId && h("p", { class: "small mono" }, `request ${error.requestId}`),
    h("button", { class: "button", type: "button", onclick: again }, "Try again"));
}

export const missing = (absent, error) => h("section", { class: "card note" }, icon("empty"),
  h("h2", {}, absent?.title ?? "Nothing here"), h("p", {}, absent?.text ?? error?.message ?? "The address names no page of this dashboard."), h("a", { class: "button", href: "#/" }, "Overview"));

export const banner = (tone, text, ...actions) => h("div", { class: "banner", "data-tone": tone, role: "status" }, h("span", {}, text), ...actions);

let place = null;
export function toast(text, tone = "green") {
  if (!place?.isConnected) place = document.body.appendChild(h("div", { class: "toasts", role: "status", "aria-live": "polite" }));
  const note = h("div", { class: "toast", "data-tone": tone }, text);
  place.append(note);
  while (place.childElementCount > 4) place.firstElementChild.remove();
  setTimeout(() => note.remove(), 6_000);
}

// An action of the reader's: what it did is said, and what went wrong, too.
export async function told(work, done) {
  try {
    const result = await work();
    const text = typeof done === "function" ? done(result) : done;
    if (text) toast(text);
    return result ?? true;
  } catch (error) {
    if (!("status" in error)) throw error;
    toast(error.message, "red");
    return null;
  }
}
