// The address after `#`: which page, with which parameters. Filters live there, so that a link keeps them.
const routes = [];

export function route(pattern, page) {
  const names = [];
  const source = pattern.replace(/:(\w+)/g, (_, name) => { names.push(name); return "([^/]+)"; });
  routes.push({ matches: new RegExp(`^${source}$`), names, page });
}

export function here() {
  const [path, query = ""] = (location.hash.slice(1) || "/").split("?");
  for (const { matches, names, page } of routes) {
    const found = matches.exec(path);
    if (found) return { path, page, params: Object.fromEntries(names.map((name, at) => [name, decodeURIComponent(found[at + 1])])), query: new URLSearchParams(query) };
  }
  return { path, page: null, params: {}, query: new URLSearchParams(query) };
}

export const link = (path, query) => {
  const text = new URLSearchParams(query ?? {}).toString();
  return `#${path}${text ? `?${text}` : ""}`;
};

export const go = (path, query) => { location.hash = link(path, query); };

// Another filter on the same page: no new entry in the history for each letter.
export const swap = (path, query) => {
  history.replaceState(null, "", link(path, query));
  dispatchEvent(new HashChangeEvent("hashchange"));
};
