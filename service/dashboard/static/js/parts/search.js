// The search box's small language: `status:FAILED type:resize tag:"two words" queue:urgent after:2026-01-31`.
const QUALIFIERS = {
  status: "status", state: "status", type: "type", queue: "queue", tag: "tag", id: "id",
  after: "created_after", before: "created_before",
};
const WORD = /(?:(\w+):)?(?:"([^"]*)"|(\S+))/g;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
export const FILTERS = ["status", "type", "queue", "tag", "created_after", "created_before"];

// The query parameters a text stands for, and the words it does not understand.
export function parse(text) {
  const query = new URLSearchParams(), unknown = [];
  for (const [whole, name, quoted, bare] of text.matchAll(WORD)) {
    const value = quoted ?? bare;
    const field = name ? QUALIFIERS[name.toLowerCase()] : UUID.test(value) ? "id" : null;
    if (!field || !value) { unknown.push(whole); continue; }
    query.append(field, spelled(field, value));
  }
  return { query, unknown };
}

function spelled(field, value) {
  if (field === "status") return value.toUpperCase();
  return field.startsWith("created_") ? instant(value) : value;
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

// A day begins at midnight where the reader is, like all times on these pages.
function instant(value) {
  const time = new Date(DAY.test(value) ? `${value}T00:00` : value);
  return Number.isNaN(time.getTime()) ? value : time.toISOString();
}

const qualifierOf = (field) => Object.keys(QUALIFIERS).find((name) => QUALIFIERS[name] === field);

export function write(query) {
  const named = FILTERS.flatMap((field) => query.getAll(field).map((value) => [qualifierOf(field), value]));
  return named.map(([name, value]) => (/\s/.test(value) ? `${name}:"${value}"` : `${name}:${value}`)).join(" ");
}

export const filtersOf = (query) => Object.fromEntries(
  FILTERS.map((name) => [name, query.getAll(name)]).filter(([, values]) => values.length));
