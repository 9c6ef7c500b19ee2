// Renders /openapi.json. Every text goes in as text: nothing here parses HTML.
const byId = (id) => document.getElementById(id);

function make(tag, { text, ...attributes } = {}, ...children) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter(Boolean));
  return node;
}

// `code` in a text becomes an element; all else stays text.
const prose = (text) => make("p", {}, ...(text ?? "").split("`").map((piece, index) =>
  index % 2 ? make("code", { text: piece }) : piece));

const resolve = (document, value) =>
  value?.$ref ? value.$ref.split("/").slice(1).reduce((at, key) => at[key], document) : value;

// A schema in a word or two: "integer", "string (date-time) | null", "TaskView[]".
function typeOf(schema) {
  if (!schema) return "any";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array") return `${typeOf(schema.items)}[]`;
  return schema.format ? `${schema.type} (${schema.format})` : schema.type ?? "any";
}

function table(rows) {
  return make("table", {}, ...rows.map(([name, kind, text]) =>
    make("tr", {}, make("td", {}, make("code", { text: name })),
      make("td", {}, make("span", { text: kind, class: "faint" }), text ? prose(text) : null))));
}

function fields(document, schema, seen = new Set()) {
  const model = resolve(document, schema);
  const rows = Object.entries(model?.properties ?? {}).map(([name, field]) =>
    [name, typeOf(field) + (model.required?.includes(name) ? ", required" : ""), field.description]);
  const nested = [...JSON.stringify(model?.properties ?? {}).matchAll(/#\/components\/schemas\/(\w+)/g)]
    .map((match) => match[1]).filter((name) => !seen.has(name) && seen.add(name));
  return [rows.length ? table(rows) : null, ...nested.flatMap((name) =>
    [make("h4", { text: name }), ...fields(document, { $ref: `#/components/schemas/${name}` }, seen)])];
}

// What to send is in sight; what comes back is long, and folded.
function body(document, title, content, { folded }) {
  const [media, { schema, example } = {}] = Object.entries(content ?? {})[0] ?? [];
  if (!media) return null;
  const examples = example === undefined ? resolve(document, schema)?.examples ?? [] : [example];
  const shown = examples.map((example) => make("pre", { text: JSON.stringify(example, null, 2) }));
  return make("section", {}, make("h4", { text: `${title} · ${media}` }), ...(folded ? [] : shown),
    make("details", {}, make("summary", { text: typeOf(schema) }), ...(folded ? shown : []), ...fields(document, schema)));
}

function operation(document, path, method, item) {
  const id = item.operationId;
  byId("contents").append(make("a", { href: `#${id}` },
    make("span", { text: method.toUpperCase(), class: `method ${method}` }), item.summary));
  const parameters = (item.parameters ?? []).map((p) =>
    [p.name, `${p.in}, ${typeOf(p.schema)}${p.required ? ", required" : ""}`, p.description]);
  const answers = Object.entries(item.responses).map(([status, response]) => [status, resolve(document, response)]);
  const successes = answers.filter(([status]) => status < "300");
  return make("article", { id },
    make("h3", {}, make("span", { text: method.toUpperCase(), class: `method ${method}` }), make("code", { text: path })),
    prose(item.description ?? item.summary),
    parameters.length ? make("h4", { text: "Parameters" }) : null, parameters.length ? table(parameters) : null,
    body(document, "Body", item.requestBody?.content, { folded: false }),
    ...successes.map(([status, { content }]) => body(document, `Answer ${status}`, content, { folded: true })),
    make("h4", { text: "Statuses" }), table(answers.map(([status, { description, headers }]) =>
      [status, Object.keys(headers ?? {}).filter((name) => name !== "X-Request-ID").join(", "), description])));
}

function render(document) {
  window.document.title = byId("title").textContent = `${document.info.title} ${document.info.version}`;
  byId("description").replaceChildren(...prose(document.info.description).childNodes);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, item]) => ({ path, method, item })));
  byId("operations").replaceChildren();
  for (const { name, description } of document.tags) {
    byId("contents").append(make("h2", { text: name }));
    byId("operations").append(make("h2", { text: name }), make("p", { text: description, class: "faint" }),
      ...operations.filter(({ item }) => item.tags?.includes(name))
        .map(({ path, method, item }) => operation(document, path, method, item)));
  }
}

try {
  render(await (await fetch("/openapi.json")).json());
  if (location.hash) byId(location.hash.slice(1))?.scrollIntoView();
} catch (error) {
  byId("operations").replaceChildren(make("p", { text: `The reference could not be read: ${error.message}`, role: "alert" }));
}
