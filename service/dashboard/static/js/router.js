// The address after `#`: which page, with which parameters. Filters live there, so that a link keeps them.
const routes = [];

export function route(pattern, page) {
  const names = [];
  const source = pattern.replace(/:(\w+)/g, (_, name) => { names.push(name); return "([^/]+)"; });
  routes.push({ matches: new RegExp(`^${source}$`), names, page });
}

// Addresses are written by hand, too.
function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

export function here() {
  const [path, query = ""] = (location.hash.slice(1) || "/").split("?");
  for (const { matches, names, page } of routes) {
    const found = matches.exec(path);
    if (!found) continue;
    const params = Object.fromEntries(names.map((name, at) => [name, decoded(found[at + 1])]));
    return { path, page, params, query: new URLSearchParams(query) };
  }
  return { path, page: null, params: {}, query: new URLSearchParams(query) };
}

export const link = (path, query) => {
  const text = new URLSearchParams(query ?? {}).toString();
  return `#${path}${text ? `?${text}` : ""}`;
};

export const go = (path, query) => { location.hash = link(path, query); };

// Another filter: `change` is given the query, without its cursor.
export function turned(path, query, change) {
  const next = new URLSearchParams([...query].filter(([name]) => name !== "cursor"));
  change(next);
  go(path, next);
}
