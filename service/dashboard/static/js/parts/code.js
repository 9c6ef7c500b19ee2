// Values as text one can read and copy: JSON with its kinds in colour, built from pieces of text.
import { h } from "../dom.js";
import { icon } from "./icons.js";
import { toast } from "./notes.js";

const PIECES = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/g;
const LONGEST = 200_000, MOST_COLOURED = 40_000;

export function copyButton(text, name) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      toast("Copied.");
    } catch { toast("The browser does not allow copying here.", "red"); }
  };
  const named = { title: `Copy ${name}`, "aria-label": `Copy ${name}` };
  return h("button", { class: "button quiet square", type: "button", ...named, onclick: copy }, icon("copy"));
}

function* coloured(text) {
  let from = 0;
  for (const found of text.matchAll(PIECES)) {
    const [whole, quoted, colon, word] = found;
    yield text.slice(from, found.index);
    const kind = quoted ? (colon ? "j-key" : "j-text") : word ? "j-word" : "j-num";
    yield h("span", { class: kind }, quoted ?? whole);
    if (colon) yield colon;
    from = found.index + whole.length;
  }
  yield text.slice(from);
}

const shortened = (text) => (text.length <= LONGEST ? text
  : `${text.slice(0, LONGEST)}\n… ${text.length - LONGEST} more characters: copy to see all`);

export const plain = (text, name) =>
  h("div", { class: "code-box" }, h("pre", { tabindex: "0", "aria-label": name }, text));

export function viewer(title, value, name, ...more) {
  const text = JSON.stringify(value, null, 2), shown = shortened(text);
  return h("section", { class: "card", "data-key": name },
    h("header", {}, h("h2", {}, title), h("div", { class: "row" }, ...more, copyButton(text, name))),
    plain(shown.length > MOST_COLOURED ? shown : [...coloured(shown)], name));
}
