// Makes elements and brings a page up to date. Texts go in as text: nothing here parses HTML.
const SVG = "http://www.w3.org/2000/svg";

const isShown = (child) => child !== null && child !== undefined && child !== false;
const flat = (children) => children.flat(Infinity).filter(isShown);

function fill(node, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) listen(node, name.slice(2).toLowerCase(), value);
    else if (name === "value" || name === "checked" || name === "indeterminate") node[name] = value;
    else if (name === "width_percent") node.style.width = `${value}%`;
    else if (name === "left_percent") node.style.left = `${value}%`;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...flat(children).map((child) => (child instanceof Node ? child : String(child))));
  return node;
}

// One listener per kind, whose work can be exchanged when the page is brought up to date.
function listen(node, kind, work) {
  if (!node.works) node.works = {};
  if (!(kind in node.works)) node.addEventListener(kind, (event) => node.works[kind]?.(event));
  node.works[kind] = work;
}

export const h = (tag, given = {}, ...children) => fill(document.createElement(tag), given, children);
export const s = (tag, given = {}, ...children) => fill(document.createElementNS(SVG, tag), given, children);

export const show = (place, ...children) => place.replaceChildren(...flat(children));

// Makes `old` look like `fresh` in place, so that focus, selection, scroll and what was typed stay.
export function patch(old, fresh) {
  const isSame = old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && keyOf(old) === keyOf(fresh);
  if (!isSame) { old.replaceWith(fresh); return fresh; }
  if (old.nodeType === Node.TEXT_NODE) { if (old.data !== fresh.data) old.data = fresh.data; return old; }
  // What is typed stays, unless the page itself stands for another text now.
  if (old.dataset?.bound !== fresh.dataset?.bound) old.value = fresh.value;
  patchAttributes(old, fresh);
  for (const kind of Object.keys(old.works ?? {})) old.works[kind] = fresh.works?.[kind];
  for (const [kind, work] of Object.entries(fresh.works ?? {})) listen(old, kind, work);
  if (old.type === "checkbox") { old.checked = fresh.checked; old.indeterminate = fresh.indeterminate; }
  if (!old.hasAttribute("data-keep")) patchChildren(old, fresh);
  return old;
}

const keyOf = (node) => node.getAttribute?.("data-key") ?? null;

function patchAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    // What the reader opened stays open.
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) === value) continue;
    // A style set as an attribute is an inline style, which the policy forbids; set as a property it is not.
    if (name === "style") old.style.cssText = value;
    else old.setAttribute(name, value);
  }
}

function patchChildren(old, fresh) {
  const staying = new Set([...fresh.childNodes].map(keyOf));
  // What goes, goes first: else what stays would be moved before it, and whatever is moved loses the focus.
  for (const node of [...old.childNodes]) if (keyOf(node) && !staying.has(keyOf(node))) node.remove();
  const keyed = new Map([...old.childNodes].filter(keyOf).map((node) => [keyOf(node), node]));
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const known = keyed.get(keyOf(wanted));
    if (known && known !== at) { old.insertBefore(known, at); patch(known, wanted); continue; }
    if (!at || (keyOf(at) && !known)) { old.insertBefore(wanted, at); continue; }
    const next = at.nextSibling;
    patch(at, wanted);
    at = next;
  }
  while (at) { const next = at.nextSibling; at.remove(); at = next; }
}
