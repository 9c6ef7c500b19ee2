// What became of webhooks, attempt by attempt, and sending one again.
import { post } from "../api.js";
import { h } from "../dom.js";
import { ago, full, plural, seconds, short } from "../format.js";
import { link } from "../router.js";
import { may } from "../session.js";
import { badge } from "./badge.js";
import { button } from "./button.js";
import { told } from "./notes.js";
import { card, table } from "./table.js";
import { when } from "./time.js";

function answered({ status, error }) {
  if (status === null) return error ?? "no answer";
  return error ? `${status} (${error})` : String(status);
}

function history({ attempts }) {
  if (!attempts.length) return h("span", { class: "muted" }, "not sent yet");
  const lines = attempts.map((one) => `${full(one.at)}: ${answered(one)} after ${seconds(one.duration)}`);
  return h("details", {}, h("summary", {}, `last: ${answered(attempts.at(-1))}`),
    h("ul", { class: "small" }, ...lines.map((line) => h("li", {}, line))));
}

const subject = (one) => (one.task
  ? h("a", { href: link(`/tasks/${one.task}`), title: one.task }, `task ${short(one.task)}`)
  : h("a", { href: link(`/workflows/${one.workflow}`), title: one.workflow }, `workflow ${short(one.workflow)}`));

const again = (one, refresh) => told(() => post(`/deliveries/${one.id}/replay`), "It is sent again now.").then(refresh);

// `isMixed`: of several tasks, and then each says of which.
export function deliveries(rows, refresh, { isMixed = false } = {}) {
  const send = (one) => button("Send again", () => again(one, refresh), { disabled: !may("write") });
  const columns = [
    { name: "Event", label: false, cell: (one) => one.type },
    isMixed && { name: "Of", label: false, cell: subject },
    { name: "To", label: false, cell: (one) => h("div", { class: "clip", title: one.url }, one.url) },
    { name: "State", label: false, cell: (one) => badge(one.state) },
    { name: "Answers", label: false, cell: history },
    { name: "Made", kind: "num", cell: (one) => when(one.created_at) },
    { name: "Next", kind: "num", cell: (one) => h("span", { class: "nowrap" }, ago(one.due_at)) },
    { name: "Actions", kind: "actions", label: false, cell: send },
  ];
  return table(isMixed ? "Webhooks" : "Its webhooks", columns.filter(Boolean), rows, (one) => one.id);
}

// Of one task or workflow; null where nothing was sent.
export const itsDeliveries = (rows, refresh) => rows.length > 0
  && card("Webhooks", deliveries(rows, refresh), h("span", { class: "small muted" }, plural(rows.length, "webhook")));
