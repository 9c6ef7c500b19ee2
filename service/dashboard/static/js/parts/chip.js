// A filter as a button: pressed while it holds.
import { h } from "../dom.js";

export function chip(name, isOn, toggle, given = {}) {
  const own = { class: "chip", type: "button", "aria-pressed": String(isOn), "data-key": `chip ${name}` };
  return h("button", { ...own, onclick: toggle, ...given }, name);
}

// A value that is filtered by, and taken away by a press.
export function taken(name, value, drop) {
  const words = `${name.replace("created_", "")}: ${value} ✕`;
  return chip(words, true, drop, { "aria-label": `Remove the filter ${name} ${value}` });
}
