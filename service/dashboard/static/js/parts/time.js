// A moment as people read it: how long ago, and in full when one points at it.
import { h } from "../dom.js";
import { ago, full } from "../format.js";

export const when = (time, never = "–") =>
  (time ? h("time", { class: "nowrap", datetime: time, title: full(time) }, ago(time)) : never);
