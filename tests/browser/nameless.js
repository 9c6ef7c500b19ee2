// What can be operated or looked at, and has no name for those who cannot see it.
() => [...document.querySelectorAll("button, a[href], input, select, textarea, [role=img], [role=figure], [role=region], dialog")]
  .filter((node) => node.checkVisibility() && !node.closest("[aria-hidden=true]"))
  .filter((node) => !(node.getAttribute("aria-label") || node.getAttribute("aria-labelledby")))
  .filter((node) => !(node.labels?.length || node.textContent.trim()))
  .map((node) => node.outerHTML.slice(0, 120))
