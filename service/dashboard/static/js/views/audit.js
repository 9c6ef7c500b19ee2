// The audit log: who did what to the installation, newest first.
import { get } from "../api.js";
import { h } from "../dom.js";
import { ago, full } from "../format.js";
import { empty } from "../parts/notes.js";
import { table } from "../parts/table.js";
import { link } from "../router.js";

const details = (entry) => Object.entries(entry.details).map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ");

export default {
  title: "Audit log",
  needs: "/audit",
  absent: { title: "There is no audit log here", text: "This installation's API does not keep one yet." },
  every: ({ query }) => (query.get("cursor") ? null : 10_000),
  isLive: false,
  load: ({ signal, query }) => get("/audit", { limit: 50, cursor: query.get("cursor") }, signal),
  draw: ({ data }) => [
    h("section", { class: "card", "aria-label": "Audit log" }, data.data.length ? table("Audit log", [
      { name: "When", label: false, cell: (entry) => h("time", { class: "nowrap", datetime: entry.at, title: full(entry.at) }, ago(entry.at)) },
      { name: "Who", cell: (entry) => h("code", {}, entry.key ?? "no key") }, { name: "Did", label: false, cell: (entry) => h("strong", {}, entry.action) },
      { name: "To", cell: (entry) => entry.target }, { name: "Details", label: false, cell: (entry) => h("div", { class: "clip muted", title: details(entry) }, details(entry)) },
      { name: "Request", label: false, cell: (entry) => h("code", { class: "small muted" }, entry.request ?? "command line") }], data.data, (entry) => entry.id)
      : empty("Nothing yet", "Pauses, purges, drains, keys, schedules: what operators do stands here.")),
    data.next_cursor && h("nav", { class: "row spread", "aria-label": "Pages of the list" }, h("a", { class: "button", href: link("/audit") }, "Newest"), h("a", { class: "button", href: link("/audit", { cursor: data.next_cursor }) }, "Older"))].filter(Boolean),
};
