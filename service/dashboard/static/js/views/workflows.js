// Workflows, newest first, with how far each has come.
import { get } from "../api.js";
import { h } from "../dom.js";
import { number, short } from "../format.js";
import { badge } from "../parts/badge.js";
import { empty } from "../parts/notes.js";
import { pager } from "../parts/pager.js";
import { table } from "../parts/table.js";
import { when } from "../parts/time.js";
import { link } from "../router.js";

const LIMIT = 50;

export const progressOf = ({ progress }) => [
  h("span", { class: "load", "aria-hidden": "true" }, h("i", { width_percent: progress.percent })),
  ` ${number(progress.done)} of ${number(progress.total)}`];

const named = (one) => [
  h("a", { href: link(`/workflows/${one.id}`) }, one.name ?? "unnamed"), " ",
  h("code", { class: "muted", title: one.id }, short(one.id))];

const nothing = () => empty("No workflows",
  "A workflow is a graph of tasks: each begins when those before it have ended.",
  h("a", { class: "button", href: "/docs" }, "POST /api/v1/workflows"));

const list = (rows) => table("Workflows", [
  { name: "Workflow", label: false, cell: named },
  { name: "Status", label: false, cell: (one) => badge(one.status) },
  { name: "Done", kind: "num", cell: progressOf },
  { name: "Created", kind: "num", cell: (one) => when(one.created_at) },
], rows, (one) => one.id);

export default {
  title: "Workflows",
  every: ({ query }) => (query.get("cursor") ? null : 4_000),
  load: ({ signal, query }) => get("/workflows", { limit: LIMIT, cursor: query.get("cursor") }, signal),
  draw: ({ data, query }) => [
    h("section", { class: "card" }, data.data.length ? list(data.data) : nothing()),
    pager("/workflows", query, data.next_cursor)].filter(Boolean),
};
