// Tables and cards: columns are described once; on a phone each row becomes a small block.
import { h } from "../dom.js";

// A column: {name, cell(row), kind?: "num" | "actions", label?: false} with `name` as the heading.
export function table(caption, columns, rows, keyOf) {
  const heads = columns.map(({ name, head, kind }) => h("th", { scope: "col", class: kind }, head ?? name));
  const cell = ({ name, label, kind, cell: drawn }, row) =>
    h("td", { class: kind, "data-label": label === false ? null : name }, drawn(row));
  return h("div", { class: "table stack", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {},
      h("caption", { class: "hidden-text" }, caption),
      h("thead", {}, h("tr", {}, ...heads)),
      h("tbody", {}, ...rows.map((row) =>
        h("tr", { "data-key": keyOf(row) }, ...columns.map((column) => cell(column, row)))))));
}

export const card = (title, body, ...tools) => h("section", { class: "card", "data-key": title },
  h("header", {}, h("h2", {}, title), tools.length > 0 && h("div", { class: "row" }, ...tools)), body);

export const inside = (...children) => h("div", { class: "body" }, ...children);

export const facts = (pairs) => h("dl", { class: "facts" }, ...pairs.filter(Boolean).map(([name, ...value]) =>
  h("div", { "data-key": name }, h("dt", {}, name), h("dd", { class: "num" }, ...value))));
