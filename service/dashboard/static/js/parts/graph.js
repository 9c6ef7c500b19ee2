// A workflow as a picture: layers from left to right, an edge per "after". Built as SVG; every node is a link.
import { h, s } from "../dom.js";
import { tone, words } from "./badge.js";

const W = 184, H = 58, GAP_X = 64, GAP_Y = 18, MARGIN = 2;
const MOST = 400;

// Layer of each node: one more than its furthest predecessor. Nodes: [{name, after: [names], …}], without cycles.
export function layers(nodes) {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const depth = new Map();
  const stack = nodes.map((node) => node.name);
  while (stack.length) {
    const name = stack.at(-1);
    const before = (byName.get(name)?.after ?? []).filter((one) => byName.has(one));
    const open = depth.has(name) ? [] : before.filter((one) => !depth.has(one));
    if (open.length) { stack.push(...open); continue; }
    depth.set(name, before.reduce((deepest, one) => Math.max(deepest, depth.get(one) + 1), 0));
    stack.pop();
  }
  return depth;
}

function placed(nodes) {
  const depth = layers(nodes), columns = [];
  for (const node of nodes) (columns[depth.get(node.name)] ??= []).push(node);
  const tallest = Math.max(...columns.map((column) => column.length));
  const at = new Map();
  columns.forEach((column, x) => column.forEach((node, y) => {
    at.set(node.name, { x: x * (W + GAP_X), y: (y + (tallest - column.length) / 2) * (H + GAP_Y) });
  }));
  return { at, width: columns.length * (W + GAP_X) - GAP_X, height: tallest * (H + GAP_Y) - GAP_Y };
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function edge(from, to) {
  const x1 = from.x + W, y1 = from.y + H / 2, x2 = to.x, y2 = to.y + H / 2, bend = Math.max(24, (x2 - x1) / 2);
  return s("path", { class: "edge", d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
}

function box(node, { x, y }, hrefOf) {
  const state = words(node.status), href = hrefOf(node);
  const line = (kind, top, text) => s("text", { class: kind, x: 12, y: top }, text);
  const given = { class: "node", "data-tone": tone(node.status), "data-key": node.name };
  const drawn = s("g", { ...given, transform: `translate(${x} ${y})` },
    s("title", {}, `${node.name}: ${state}`), s("rect", { width: W, height: H, rx: 9 }),
    line("name", 20, cut(node.name, 24)), line("kind", 35, cut(node.type ?? "", 28)), line("state", 50, state));
  return href ? s("a", { href, "aria-label": `${node.name}, ${state}` }, drawn) : drawn;
}

export function graph(nodes, hrefOf) {
  const shown = nodes.slice(0, MOST), { at, width, height } = placed(shown);
  const [wide, high] = [width + 2 * MARGIN, height + 2 * MARGIN];
  const edges = shown.flatMap((node) =>
    (node.after ?? []).filter((name) => at.has(name)).map((name) => edge(at.get(name), at.get(node.name))));
  const size = { width: wide, height: high, viewBox: `${-MARGIN} ${-MARGIN} ${wide} ${high}` };
  return h("div", { class: "graph", tabindex: "0", role: "region", "aria-label": "The workflow's graph" },
    s("svg", { ...size, role: "group", "aria-label": `Graph of ${nodes.length} nodes` },
      ...edges, ...shown.map((node) => box(node, at.get(node.name), hrefOf))),
    nodes.length > MOST && h("p", { class: "muted small" }, `The first ${MOST} of ${nodes.length} nodes.`));
}
