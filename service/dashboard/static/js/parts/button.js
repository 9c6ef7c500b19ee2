// Buttons that do something here; what leads elsewhere is a link.
import { h } from "../dom.js";

// `kind`: "primary", "danger" or "quiet".
export const button = (name, work, { kind = "", ...given } = {}) =>
  h("button", { class: `button ${kind}`.trim(), type: "button", onclick: work, ...given }, name);
