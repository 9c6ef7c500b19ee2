// The ways through a list that goes by cursor: back to the newest, and on to older ones.
import { h } from "../dom.js";
import { go } from "../router.js";
import { button } from "./button.js";

export function pager(path, query, next) {
  const filters = [...query].filter(([name]) => name !== "cursor");
  const isFirst = !query.get("cursor");
  if (isFirst && !next) return null;
  return h("nav", { class: "row spread", "aria-label": "Pages of the list" },
    button("Newest", () => go(path, filters), { disabled: isFirst }),
    button("Older", () => go(path, [...filters, ["cursor", next]]), { disabled: !next }));
}
