// Completions of the word being typed in the search box, in the browser's own list beneath it.
import { h } from "../dom.js";
import { STATUSES } from "./badge.js";

const NAMES = ["status:", "type:", "queue:", "tag:", "id:", "after:", "before:"];
const MOST = 12;

// Whole texts, since that is what a datalist puts into its box.
export function completions(written, { types, queues }) {
  const start = written.lastIndexOf(" ") + 1;
  const before = written.slice(0, start), word = written.slice(start).toLowerCase();
  const statuses = STATUSES.map((status) => status.toLowerCase());
  const values = Object.entries({ status: statuses, type: types, queue: queues })
    .flatMap(([name, known]) => known.map((value) => `${name}:${value}`));
  const fitting = (word.includes(":") ? values : NAMES).filter((one) => one.startsWith(word) && one !== word);
  return fitting.slice(0, MOST).map((one) => before + one);
}

export const listFor = (id, written, known) => h("datalist", { id, "data-keep": true },
  ...completions(written, known).map((value) => h("option", { value })));
