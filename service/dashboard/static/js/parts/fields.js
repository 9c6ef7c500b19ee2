// Labelled inputs, each with its hint and a place for what the service says is wrong with it.
import { h } from "../dom.js";
import { numberOf, parse } from "../json.js";

let serial = 0;

// {node, read(), wrong(text)}; `read` throws an Error with words for the reader.
export function field(label, input, { hint, read = () => input.value, isRequired = false } = {}) {
  const id = `field-${++serial}`;
  const trouble = h("p", { class: "wrong", id: `${id}-wrong`, role: "alert", hidden: true });
  input.id = id;
  input.setAttribute("aria-describedby", hint ? `${id}-hint ${id}-wrong` : `${id}-wrong`);
  if (isRequired) input.setAttribute("aria-required", "true");
  const node = h("div", { class: "field" },
    h("label", { for: id }, label, isRequired ? "" : h("span", { class: "muted small light" }, "  optional")), input,
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint), trouble);
  const wrong = (text) => {
    trouble.textContent = text ?? "";
    trouble.hidden = !text;
    input.toggleAttribute("aria-invalid", false);
    if (text) input.setAttribute("aria-invalid", "true");
  };
  // What the browser cannot read has the value of an empty input, and must not be taken for one.
  const whole = () => {
    if (input.validity?.badInput) throw new Error(`${label}: what is written there is not complete.`);
    return read(input);
  };
  return { node, input, wrong, read: whole };
}

export const text = (value = "", given = {}) =>
  h("input", { class: "input", type: "text", autocomplete: "off", dir: "auto", value, ...given });
export const area = (value = "", given = {}) =>
  h("textarea", { class: "input", rows: 4, spellcheck: "false", dir: "auto", ...given, value });
export const code = (value, given = {}) => area(value, { class: "input code", dir: "ltr", ...given });
export const figure = (value = "", given = {}) =>
  h("input", { class: "input num", type: "number", step: "any", value, ...given });
// Options are values, or pairs of a value and its words.
export const choice = (options, value, given = {}) => h("select", { class: "input", ...given },
  ...options.map((option) => [option].flat()).map(([key, words]) =>
    h("option", { value: key, selected: key === value }, words ?? key)));

export function asJson(written, what) {
  try { return parse(written); } catch (error) { throw new Error(`${what} is not JSON: ${error.message}`); }
}

export const asNumber = (input) => (input.value === "" ? undefined : numberOf(input.value));
export const asText = (input) => (input.value === "" ? undefined : input.value);
// A time as the browser's own input wants it: local, and to the minute where it is one.
export function localTime(time) {
  if (!time) return "";
  const at = new Date(time);
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, at % 60_000 ? 23 : 16);
}

export const asTime = (input) => (input.value === "" ? undefined : new Date(input.value).toISOString());

// Puts what the service refused to the fields it names; returns what none of them shows.
export function place(error, fields) {
  for (const one of Object.values(fields)) one.wrong(null);
  const rest = error.places.filter(({ pointer, detail }) => {
    const owner = Object.entries(fields).find(([at]) => pointer === at || pointer.startsWith(`${at}/`));
    owner?.[1].wrong(detail);
    return !owner;
  });
  const first = Object.values(fields).find((one) => one.input.getAttribute("aria-invalid") === "true");
  first?.input.closest("details")?.setAttribute("open", "");
  first?.input.focus();
  if (error.places.length && !rest.length) return null;
  return rest.map(({ pointer, detail }) => `${pointer || "body"}: ${detail}`).join("; ") || error.message;
}
