// A form from a JSON Schema: plain kinds get inputs of their own, whatever is nested is written as JSON.
import { upload } from "../api.js";
import { h } from "../dom.js";
import { size } from "../format.js";
import { area, asJson, asNumber, asText, asTime, choice, field, figure, localTime, text } from "./fields.js";
import { told } from "./notes.js";

const LONG = 500;

const resolved = (schema, root) => (schema.$ref ? schema.$ref.split("/").slice(1).reduce((at, name) => at[name], root) : schema);

// Without the null of an optional; int | float is a number.
function plain(schema, root) {
  const whole = resolved(schema, root);
  const kinds = (whole.anyOf ?? []).filter((kind) => kind.type !== "null");
  if (kinds.length === 1) return { ...resolved(kinds[0], root), description: whole.description, default: whole.default };
  if (kinds.length && kinds.every((kind) => kind.type === "integer" || kind.type === "number")) return { ...whole, anyOf: undefined, type: "number" };
  const first = resolved(kinds[0] ?? {}, root);
  if (first.type === "string" && kinds.every((kind) => kind.type === "string" || kind.type === "array")) return { ...first, description: whole.description };
  return whole;
}

const limits = (schema, given) => ({ ...given, min: schema.minimum, max: schema.maximum, ...(schema.type === "integer" ? { step: 1 } : {}) });
const isWords = (schema) => schema.type === "array" && schema.items?.type === "string" && !schema.items.enum;

function made(label, schema, given, options) {
  if (given !== null && typeof given === "object" && !isWords(schema)) return nested(label, schema, given, options);
  if (schema.enum) return field(label, choice(options.isRequired ? schema.enum : [["", "–"], ...schema.enum], given ?? schema.default ?? (options.isRequired ? schema.enum[0] : "")), { ...options, read: asText });
  if (schema.type === "boolean") return field(label, choice([["", "–"], ["true", "yes"], ["false", "no"]], String(given ?? schema.default ?? "")), { ...options, read: ({ value }) => (value ? value === "true" : undefined) });
  if (schema.type === "integer" || schema.type === "number") return field(label, figure(given ?? "", limits(schema, { placeholder: schema.default })), { ...options, read: asNumber });
  if (schema.format === "date-time") return field(label, text(localTime(given), { type: "datetime-local" }), { ...options, read: asTime });
  if (schema.format === "uuid" && label.includes("file")) return file(label, given, options);
  if (schema.type === "string" && (schema.maxLength ?? 0) <= LONG) return field(label, text(given ?? "", { placeholder: schema.examples?.[0] ?? schema.default }), { ...options, read: asText });
  if (schema.type === "string") return field(label, area(given ?? ""), { ...options, read: asText });
  if (isWords(schema)) return field(label, area((given ?? []).join("\n"), { placeholder: "one per line" }), { ...options, read: ({ value }) => (value.trim() ? value.split("\n").filter(Boolean) : undefined) });
  return nested(label, schema, given, options);
}

function nested(label, schema, given, options) {
  const start = given ?? (options.isRequired && schema.type === "array" ? [] : undefined);
  return field(label, area(start === undefined ? "" : JSON.stringify(start, null, 2), { class: "input code" }), { ...options, hint: `${options.hint ?? ""} As JSON.`.trim(), read: ({ value }) => (value.trim() ? asJson(value, label) : undefined) });
}

// An id of a file, with a button that makes one.
function file(label, given, options) {
  const one = field(label, text(given ?? "", { placeholder: "a file's id" }), { ...options, read: asText });
  const picker = h("input", { type: "file", class: "hidden-text", tabindex: "-1", "aria-label": `Upload for ${label}`, onchange: send });
  async function send() {
    const [chosen] = picker.files;
    if (!chosen) return;
    const stored = await told(() => upload(chosen), () => `${chosen.name} is uploaded, ${size(chosen.size)}.`);
    if (stored) one.input.value = stored.id;
  }
  one.node.append(h("div", { class: "row" }, picker, h("button", { class: "button", type: "button", onclick: () => picker.click() }, "Upload a file …")));
  return one;
}

// {node, fields by JSON pointer, read()} for the properties of an object schema.
export function schemaForm(schema, given = {}) {
  const required = new Set(schema.required ?? []);
  const named = Object.entries(schema.properties ?? {}).map(([name, inner]) => {
    const kind = plain(inner, schema);
    return [name, made(name, kind, given[name], { hint: kind.description, isRequired: required.has(name) })];
  });
  const read = () => Object.fromEntries(named.map(([name, one]) => [name, one.read()]).filter(([, value]) => value !== undefined));
  return { node: h("div", { class: "fields" }, ...named.map(([, one]) => one.node)), fields: Object.fromEntries(named.map(([name, one]) => [`/input/${name}`, one])), read };
}
