// A form from a JSON Schema: plain kinds get inputs of their own, whatever is nested is written as JSON.
import { upload } from "../api.js";
import { h } from "../dom.js";
import { size } from "../format.js";
import { button } from "./button.js";
import { area, asJson, asNumber, asText, asTime, choice, code, field, figure, localTime, text } from "./fields.js";
import { told } from "./notes.js";

const LONG = 500;
const YES_NO = [["", "–"], ["true", "yes"], ["false", "no"]];

function resolved(schema, root) {
  if (!schema.$ref) return schema;
  return schema.$ref.split("/").slice(1).reduce((at, name) => at[name], root);
}

const isNumber = ({ type }) => type === "integer" || type === "number";

// Without the null of an optional; int | float is a number; what may be text or parts is text.
function plain(schema, root) {
  const whole = resolved(schema, root), { description } = whole;
  const kinds = (whole.anyOf ?? []).filter((kind) => kind.type !== "null");
  if (kinds.length === 1) return { ...resolved(kinds[0], root), description, default: whole.default };
  if (kinds.length && kinds.every(isNumber)) return { ...whole, anyOf: undefined, type: "number" };
  const first = resolved(kinds[0] ?? {}, root);
  const isText = first.type === "string" && kinds.every(({ type }) => type === "string" || type === "array");
  return isText ? { ...first, description } : whole;
}

const isWords = (schema) => schema.type === "array" && schema.items?.type === "string" && !schema.items.enum;
const asWords = ({ value }) => (value.trim() ? value.split("\n").filter(Boolean) : undefined);
const asChoice = ({ value }) => (value ? value === "true" : undefined);

function number(schema, given) {
  const { minimum: min, maximum: max, type } = schema;
  return figure(given ?? "", { placeholder: schema.default, min, max, ...(type === "integer" ? { step: 1 } : {}) });
}

function listed(schema, given, { isRequired }) {
  const start = given ?? schema.default ?? (isRequired ? schema.enum[0] : "");
  return choice(isRequired ? schema.enum : [["", "–"], ...schema.enum], start);
}

const line = (schema, given) => text(given ?? "", { placeholder: schema.examples?.[0] ?? schema.default });

// The input of a plain kind and how it is read; null: it is none of these.
function inputOf(label, schema, given, options) {
  if (schema.enum) return [listed(schema, given, options), asText];
  if (schema.type === "boolean") return [choice(YES_NO, String(given ?? schema.default ?? "")), asChoice];
  if (isNumber(schema)) return [number(schema, given), asNumber];
  if (schema.format === "date-time") return [text(localTime(given), { type: "datetime-local" }), asTime];
  if (isWords(schema)) return [area((given ?? []).join("\n"), { placeholder: "one per line" }), asWords];
  if (schema.type !== "string") return null;
  return [(schema.maxLength ?? 0) <= LONG ? line(schema, given) : area(given ?? ""), asText];
}

function made(label, schema, given, options) {
  const isNested = given !== null && typeof given === "object" && !isWords(schema);
  if (schema.format === "uuid" && label.includes("file")) return file(label, given, options);
  const [input, read] = (isNested ? null : inputOf(label, schema, given, options)) ?? [];
  return input ? field(label, input, { ...options, read }) : nested(label, schema, given, options);
}

function nested(label, schema, given, options) {
  const start = given ?? (options.isRequired && schema.type === "array" ? [] : undefined);
  const box = code(start === undefined ? "" : JSON.stringify(start, null, 2));
  const read = ({ value }) => (value.trim() ? asJson(value, label) : undefined);
  return field(label, box, { ...options, hint: `${options.hint ?? ""} As JSON.`.trim(), read });
}

// An id of a file, with a button that makes one.
function file(label, given, options) {
  const one = field(label, text(given ?? "", { placeholder: "a file's id" }), { ...options, read: asText });
  const hidden = { class: "hidden-text", tabindex: "-1", "aria-label": `Upload for ${label}` };
  const picker = h("input", { type: "file", ...hidden, onchange: send });
  const pick = button("Upload a file …", () => picker.click());
  const state = h("span", { class: "small muted", role: "status" });
  async function send() {
    const [chosen] = picker.files;
    if (!chosen) return;
    pick.disabled = true;
    state.textContent = `Uploading ${chosen.name}, ${size(chosen.size)} …`;
    const stored = await told(() => upload(chosen), () => `${chosen.name} is uploaded, ${size(chosen.size)}.`);
    if (stored) one.input.value = stored.id;
    state.textContent = stored ? chosen.name : "";
    pick.disabled = false;
    picker.value = ""; // so that the same file can be chosen again
  }
  one.node.append(h("div", { class: "row" }, picker, pick, state));
  return one;
}

// {node, fields by JSON pointer, read()} for the properties of an object schema.
export function schemaForm(schema, given = {}) {
  const required = new Set(schema.required ?? []);
  const named = Object.entries(schema.properties ?? {}).map(([name, inner]) => {
    const kind = plain(inner, schema);
    return [name, made(name, kind, given[name], { hint: kind.description, isRequired: required.has(name) })];
  });
  const read = () =>
    Object.fromEntries(named.map(([name, one]) => [name, one.read()]).filter(([, value]) => value !== undefined));
  const fields = Object.fromEntries(named.map(([name, one]) => [`/input/${name}`, one]));
  return { node: h("div", { class: "fields" }, ...named.map(([, one]) => one.node)), fields, read };
}
