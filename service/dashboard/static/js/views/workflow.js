// One workflow as a graph: each node in the colour of its state, and the two verbs for the whole.
import { get, optional, post } from "../api.js";
import { h } from "../dom.js";
import { number, short } from "../format.js";
import { FINAL, badge, words } from "../parts/badge.js";
import { button } from "../parts/button.js";
import { copyButton } from "../parts/code.js";
import { itsDeliveries } from "../parts/deliveries.js";
import { confirm } from "../parts/dialog.js";
import { graph } from "../parts/graph.js";
import { told } from "../parts/notes.js";
import { card, facts, inside, table } from "../parts/table.js";
import { when } from "../parts/time.js";
import { link } from "../router.js";
import { may } from "../session.js";
import { progressOf } from "./workflows.js";

const MOST_LISTED = 500;

async function load({ params, name, signal }) {
  const at = `/workflows/${encodeURIComponent(params.id)}`;
  const [found, sent] = await Promise.all([get(at, {}, signal), optional(get(`${at}/deliveries`, {}, signal))]);
  name(found.name ?? `Workflow ${short(found.id)}`);
  const nodes = Object.entries(found.nodes).map(([node, facts]) => ({ name: node, ...facts }));
  return { ...found, nodes, deliveries: sent?.data ?? [] };
}

function actions({ data, refresh }) {
  if (!may("write")) return null;
  const at = `/workflows/${data.id}`;
  const text = "What waits will not start, what runs is told.";
  const cancel = () => confirm("Cancel this workflow?", text, "Cancel the workflow", () => post(`${at}/cancel`))
    .then((done) => done && refresh());
  const retry = () => told(() => post(`${at}/retry`), "Its failed part runs again.").then(refresh);
  const isRetriable = data.status === "FAILED" || data.status === "CANCELLED";
  return h("div", { class: "row" },
    !FINAL.has(data.status) && button("Cancel …", cancel, { kind: "danger" }),
    isRetriable && button("Retry the failed part", retry, { kind: "primary" }));
}

const hrefOf = (node) => (node.task ? link(`/tasks/${node.task}`) : null);

function list(nodes) {
  const name = (node) => (hrefOf(node) ? h("a", { href: hrefOf(node) }, node.name) : node.name);
  return h("details", { class: "card" }, h("summary", {}, "Nodes as a list"), table("Nodes", [
    { name: "Node", label: false, cell: name },
    { name: "Type", cell: (node) => node.type },
    { name: "Status", label: false, cell: (node) => badge(node.status) },
    { name: "After", cell: (node) => node.after.join(", ") || "–" },
  ], nodes.slice(0, MOST_LISTED), (node) => node.name));
}

function head(context) {
  const { data } = context;
  const name = h("div", { class: "row" }, badge(data.status), h("code", {}, data.id), copyButton(data.id, "the id"));
  return h("section", { class: "card" }, h("header", {}, name, actions(context)), inside(facts([
    ["Progress", progressOf(data)],
    ["Created", when(data.created_at)],
    data.finished_at && ["Ended", when(data.finished_at)],
    ...["completed", "failed", "cancelled"].map((state) => [words(state), number(data.progress[state])])])));
}

export default {
  title: "Workflow",
  absent: {
    title: "There is no such workflow",
    text: "Its id is wrong, it belongs to another tenant, or retention has removed it.",
  },
  every: ({ data }) => (data && FINAL.has(data.status) ? null : 1_500),
  load,
  draw: (context) => {
    const { data, refresh } = context;
    return [head(context), card("Graph", graph(data.nodes, hrefOf)), list(data.nodes),
      itsDeliveries(data.deliveries, refresh)].filter(Boolean);
  },
};
