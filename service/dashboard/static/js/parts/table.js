// Tables: columns are described once; on a phone each row becomes a small block.
import { h } from "../dom.js";

// A column: {name, cell(row), kind?: "num" | "actions", label?: false} with `name` as the heading.
export function table(caption, columns, rows, keyOf) {
  return h("div", { class: "table stack", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {},
      h("caption", { class: "hidden-text" }, caption),
      h("thead", {}, h("tr", {}, ...columns.map((column) => h("th", { scope: "col", class: column.kind }, column.head ?? column.name)))),
      h("tbody", {}, ...rows.map((row) => h("tr", { "data-key": keyOf(row) },
        ...columns.map((column) => h("td", { class: column.kind, "data-label": column.label === false ? null : column.name }, column.cell(row))))))));
}

export const card = (title, body, ...tools) => h("section", { class: "card", "data-key": title },
  h("header", {}, h("h2", {}, title), tools.length > 0 && h("div", { class: "row" }, ...tools)), body);

export const inside = (...children) => h("div", { class: "body" }, ...children);

export const facts = (pairs) => h("dl", { class: "facts" },
  ...pairs.filter(Boolean).map(([name, ...value]) => h("div", { "data-key": name }, h("dt", {}, name), h("dd", { class: "num" }, ...value))));
