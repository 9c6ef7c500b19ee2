// The audit log: who did what to the installation, newest first.
import { get } from "../api.js";
import { h } from "../dom.js";
import { empty } from "../parts/notes.js";
import { pager } from "../parts/pager.js";
import { table } from "../parts/table.js";
import { when } from "../parts/time.js";

const LIMIT = 50;

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));
function details(entry) {
  const words = Object.entries(entry.details).map(([name, value]) => `${name} ${shown(value)}`).join(", ");
  return h("div", { class: "clip muted", title: words }, words);
}

const list = (rows) => table("Audit log", [
  { name: "When", label: false, cell: (entry) => when(entry.at) },
  { name: "Who", cell: (entry) => h("code", { class: "nowrap" }, entry.key ?? "no key") },
  { name: "Did", label: false, cell: (entry) => h("strong", {}, entry.action) },
  { name: "To", cell: (entry) => entry.target },
  { name: "Details", label: false, cell: details },
  { name: "Request", label: false,
    cell: ({ request }) => h("code", { class: "small muted nowrap" }, request ?? "command line") },
], rows, (entry) => entry.id);

export default {
  title: "Audit log",
  every: ({ query }) => (query.get("cursor") ? null : 10_000),
  isLive: false,
  load: ({ signal, query }) => get("/audit", { limit: LIMIT, cursor: query.get("cursor") }, signal),
  draw: ({ data, query }) => [
    h("section", { class: "card" }, data.data.length ? list(data.data)
      : empty("Nothing yet", "Pauses, purges, drains, keys, schedules: what operators do stands here.")),
    pager("/audit", query, data.next_cursor)].filter(Boolean),
};
