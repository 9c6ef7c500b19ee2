// The states a page can be in besides full: loading, empty, broken, not there; and words in passing.
import { h } from "../dom.js";
import { button } from "./button.js";
import { icon } from "./icons.js";

const TITLES = { 0: "No answer", 403: "Your key does not allow this", 503: "The service is recovering" };
const MOST_TOASTS = 4, TOAST_MS = 6_000, TROUBLE_MS = 15_000;

export const bones = (rows = 6) => h("div", { class: "card bones", role: "status", "aria-label": "Loading" },
  ...Array.from({ length: rows }, (_, at) => h("span", { class: "bone", width_percent: 90 - ((at * 37) % 50) })));

export const empty = (title, text, ...actions) => h("div", { class: "note" },
  icon("empty"), h("h2", {}, title), text && h("p", {}, text),
  actions.length > 0 && h("div", { class: "row" }, ...actions));

export const broken = (error, again) => h("section", { class: "card note", role: "alert" },
  icon("warn"), h("h2", {}, TITLES[error.status] ?? "That did not work"), h("p", {}, error.message),
  error.requestId && h("p", { class: "small mono" }, `request ${error.requestId}`),
  button("Try again", again));

export const missing = (absent, error) => h("section", { class: "card note" },
  icon("empty"), h("h2", {}, absent?.title ?? "Nothing here"),
  h("p", {}, absent?.text ?? error?.message ?? "The address names no page of this dashboard."),
  h("a", { class: "button", href: "#/" }, "Overview"));

export const banner = (tone, text, ...actions) =>
  h("div", { class: "banner", "data-tone": tone, role: "status" }, h("span", {}, text), ...actions);

// Stands on the page before there is anything to say: what comes together with its words is not read out.
export const toasts = () => h("div", { class: "toasts", role: "status", "aria-live": "polite" });

export function toast(text, tone = "green") {
  const place = document.querySelector(".toasts") ?? document.body.appendChild(toasts());
  const note = h("div", { class: "toast", "data-tone": tone }, text);
  place.append(note);
  while (place.childElementCount > MOST_TOASTS) place.firstElementChild.remove();
  setTimeout(() => note.remove(), tone === "red" ? TROUBLE_MS : TOAST_MS);
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
