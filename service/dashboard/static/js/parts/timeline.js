// The attempts of a task on one time axis: when it waited, when it ran, and how each attempt ended.
import { h } from "../dom.js";
import { full, seconds } from "../format.js";
import { badge, tone } from "./badge.js";

export function timeline(task, attempts, now = Date.now()) {
  const begin = Date.parse(task.created_at);
  const ends = attempts.map((one) => (one.finished_at ? Date.parse(one.finished_at) : now));
  const span = Math.max(1, Math.max(...ends, begin) - begin);
  const share = (at) => Math.min(100, Math.max(0, (100 * (at - begin)) / span));
  const bar = (from, to, given) =>
    h("i", { ...given, left_percent: share(from), width_percent: share(to) - share(from) });

  let free = begin;
  const lanes = attempts.map((one, at) => {
    const from = Date.parse(one.started_at), to = ends[at], waited = Math.max(0, from - free);
    const track = [waited > 0 && bar(free, from, { class: "wait" }), bar(from, to, { "data-tone": tone(one.outcome) })];
    free = to;
    const title = `${full(one.started_at)} – ${one.finished_at ? full(one.finished_at) : "now"}`;
    return h("li", { class: "lane", "data-key": `${one.generation} ${one.attempt} ${one.started_at}`, title },
      h("span", {}, badge(one.outcome)), h("div", { class: "track", "aria-hidden": "true" }, ...track),
      h("span", { class: "num small muted" },
        `waited ${seconds(waited / 1_000)}, ran ${seconds((to - from) / 1_000)}`));
  });
  return h("ol", { class: "timeline" }, ...lanes);
}
