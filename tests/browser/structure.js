// What those go by who hear a page, or walk it by keyboard: landmarks, headings in order, references that lead somewhere.
() => {
  const shown = (selector) => [...document.querySelectorAll(selector)].filter((node) => node.checkVisibility({ visibilityProperty: true }));
  const told = (node) => node.outerHTML.slice(0, 100);
  const wrong = [];
  for (const selector of ["main", "h1"]) if (shown(selector).length !== 1) wrong.push(`${shown(selector).length} of ${selector}`);
  let before = 0;
  for (const heading of shown("h1, h2, h3, h4, h5, h6")) {
    const level = Number(heading.localName[1]);
    // The page's own name stands behind the menu's; a dialog begins anew.
    if (level > Math.max(before, heading.closest("dialog") ? 1 : 0) + 1) wrong.push(`from h${before} to ${told(heading)}`);
    before = level;
  }
  const ids = shown("[id]").map((node) => node.id);
  wrong.push(...ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `twice: ${id}`));
  for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "for", "list"]) {
    for (const node of shown(`[${name}]`)) {
      const lost = node.getAttribute(name).split(/\s+/).filter((id) => !document.getElementById(id));
      if (lost.length) wrong.push(`${name} ${lost}: ${told(node)}`);
    }
  }
  const never = ["nav:not([aria-label])", "table:not(:has(caption))", "th:empty", "img:not([alt])", "html:not([lang])", "ul > :not(li)", "ol > :not(li)", "dl > :not(div, dt, dd)",
    "[role=progressbar]:not([aria-label])", "[role=meter]:not([aria-label])", "button:not([type])"];
  for (const selector of never) wrong.push(...shown(selector).map((node) => `${selector}: ${told(node)}`));
  const regions = shown("[role=region], section[aria-label], aside, nav").map((node) => node.getAttribute("aria-label"));
  wrong.push(...regions.filter((name, at) => regions.indexOf(name) !== at).map((name) => `two regions: ${name}`));
  wrong.push(...shown("[role=img] a, [role=img] button").map((node) => `inside a picture: ${told(node)}`));
  wrong.push(...shown("[tabindex]").filter((node) => node.tabIndex > 0).map(told));
  wrong.push(...shown("[aria-hidden=true]").filter((node) => [node, ...node.querySelectorAll("a, button, input")].some((one) => one.tabIndex >= 0)).map(told));
  return wrong;
}
