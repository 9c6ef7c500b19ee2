// Workflows, newest first, with how far each has come.
import { get } from "../api.js";
import { h } from "../dom.js";
import { ago, full, number, short } from "../format.js";
import { badge } from "../parts/badge.js";
import { empty } from "../parts/notes.js";
import { table } from "../parts/table.js";
import { link } from "../router.js";

export function progressOf({ progress }) {
  return [h("span", { class: "load", "aria-hidden": "true" }, h("i", { width_percent: progress.percent })), ` ${number(progress.done)} of ${number(progress.total)}`];
}

export default {
  title: "Workflows",
  needs: "/workflows",
  absent: { title: "Workflows are not available", text: "This installation's API has no workflows yet. Tasks and schedules work as ever." },
  every: 4_000,
  load: ({ signal, query }) => get("/workflows", { limit: 50, cursor: query.get("cursor") }, signal),
  draw: ({ data }) => [
    h("section", { class: "card", "aria-label": "Workflows" }, data.data.length ? table("Workflows", [
      { name: "Workflow", label: false, cell: (one) => [h("a", { href: link(`/workflows/${one.id}`) }, one.name ?? "unnamed"), " ", h("code", { class: "muted", title: one.id }, short(one.id))] },
      { name: "Status", label: false, cell: (one) => badge(one.status) },
      { name: "Done", kind: "num", cell: progressOf },
      { name: "Created", kind: "num", cell: (one) => h("time", { class: "nowrap", datetime: one.created_at, title: full(one.created_at) }, ago(one.created_at)) }], data.data, (one) => one.id)
      : empty("No workflows", "A workflow is a graph of tasks: each begins when those before it have ended.", h("a", { class: "button", href: "/docs" }, "POST /api/v1/workflows"))),
    data.next_cursor && h("nav", { class: "row spread", "aria-label": "Pages of the list" }, h("a", { class: "button", href: link("/workflows") }, "Newest"), h("a", { class: "button", href: link("/workflows", { cursor: data.next_cursor }) }, "Older"))].filter(Boolean),
};
