// A moment as people read it: how long ago, and in full when one points at it, or beside it.
import { h } from "../dom.js";
import { ago, full } from "../format.js";

export const when = (time, never = "–") =>
  (time ? h("time", { class: "nowrap", datetime: time, title: full(time) }, ago(time)) : never);

// Where one looks for the exact time, also without a mouse.
export const moment = (time) =>
  [h("time", { class: "nowrap", datetime: time }, ago(time)), h("div", { class: "small muted" }, full(time))];
