// What became of a task's webhooks, attempt by attempt, and sending one again.
import { post } from "../api.js";
import { h } from "../dom.js";
import { ago, full, seconds } from "../format.js";
import { may } from "../session.js";
import { badge } from "./badge.js";
import { told } from "./notes.js";
import { table } from "./table.js";

const answered = (attempt) => (attempt.status === null ? attempt.error ?? "no answer" : `${attempt.status}${attempt.error ? ` (${attempt.error})` : ""}`);

const history = ({ attempts }) => (attempts.length
  ? h("details", {}, h("summary", {}, `last: ${answered(attempts.at(-1))}`), h("ul", { class: "small" }, ...attempts.map((one) => h("li", {}, `${full(one.at)}: ${answered(one)} after ${seconds(one.duration)}`))))
  : h("span", { class: "muted" }, "not sent yet"));

export function deliveries(rows, refresh) {
  const again = (one) => told(() => post(`/deliveries/${one.id}/replay`), "It is sent again now.").then(refresh);
  return table("Webhooks of this task", [
    { name: "Event", label: false, cell: (one) => one.type },
    { name: "To", label: false, cell: (one) => h("div", { class: "clip", title: one.url }, one.url) },
    { name: "State", label: false, cell: (one) => badge(one.state) },
    { name: "Answers", label: false, cell: history },
    { name: "Next", kind: "num", cell: (one) => (one.due_at ? ago(one.due_at) : "–") },
    { name: "Actions", kind: "actions", label: false, cell: (one) => h("button", { class: "button", type: "button", disabled: !may("write"), onclick: () => again(one) }, "Send again") }], rows, (one) => one.id);
}
