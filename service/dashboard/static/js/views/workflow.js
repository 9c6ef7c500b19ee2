// One workflow as a graph: each node in the colour of its state, and the two verbs for the whole.
import { get, post } from "../api.js";
import { h } from "../dom.js";
import { ago, full, number, short } from "../format.js";
import { FINAL, badge, words } from "../parts/badge.js";
import { copyButton } from "../parts/code.js";
import { confirm } from "../parts/dialog.js";
import { graph } from "../parts/graph.js";
import { told } from "../parts/notes.js";
import { card, facts, inside, table } from "../parts/table.js";
import { link } from "../router.js";
import { may } from "../session.js";
import { progressOf } from "./workflows.js";

async function load({ params, name, signal }) {
  const found = await get(`/workflows/${encodeURIComponent(params.id)}`, {}, signal);
  name(found.name ?? `Workflow ${short(found.id)}`);
  return { ...found, nodes: Object.entries(found.nodes).map(([node, facts]) => ({ name: node, ...facts })) };
}

function actions({ data, refresh }) {
  const at = `/workflows/${data.id}`;
  const cancel = () => confirm("Cancel this workflow?", "What waits will not start, what runs is told.", "Cancel the workflow", () => post(`${at}/cancel`)).then((done) => done && refresh());
  const retry = () => told(() => post(`${at}/retry`), "Its failed part runs again.").then(refresh);
  return may("write") && h("div", { class: "row" },
    !FINAL.has(data.status) && h("button", { class: "button danger", type: "button", onclick: cancel }, "Cancel …"),
    (data.status === "FAILED" || data.status === "CANCELLED") && h("button", { class: "button primary", type: "button", onclick: retry }, "Retry the failed part"));
}

const hrefOf = (node) => (node.task ? link(`/tasks/${node.task}`) : null);

function list(nodes) {
  return h("details", { class: "card" }, h("summary", {}, "Nodes as a list"), table("Nodes", [
    { name: "Node", label: false, cell: (node) => (hrefOf(node) ? h("a", { href: hrefOf(node) }, node.name) : node.name) }, { name: "Type", cell: (node) => node.type },
    { name: "Status", label: false, cell: (node) => badge(node.status) }, { name: "After", cell: (node) => node.after.join(", ") || "–" }], nodes.slice(0, 500), (node) => node.name));
}

export default {
  title: "Workflow",
  needs: "/workflows/{workflow_id}",
  absent: { title: "There is no such workflow", text: "Its id is wrong, it belongs to another tenant, or this installation has no workflows." },
  every: ({ data }) => (data && FINAL.has(data.status) ? null : 1_500),
  load,
  draw: (context) => {
    const { data } = context;
    return [h("section", { class: "card" }, h("header", {}, h("div", { class: "row" }, badge(data.status), h("code", {}, data.id), copyButton(data.id, "the id")), actions(context)),
      inside(facts([["Progress", progressOf(data)], ["Created", h("time", { datetime: data.created_at, title: full(data.created_at) }, ago(data.created_at))], data.finished_at && ["Ended", h("time", { datetime: data.finished_at, title: full(data.finished_at) }, ago(data.finished_at))],
        ...["completed", "failed", "cancelled"].map((state) => [words(state), number(data.progress[state])])]))),
    card("Graph", graph(data.nodes, hrefOf)), list(data.nodes)];
  },
};
