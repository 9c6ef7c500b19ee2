// What makes the page scroll sideways: all that reaches beyond the window, and lies in nothing that scrolls by itself.
() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth <= clientWidth) return [];
  const beyond = [...document.querySelectorAll("body *")].filter((node) => node.getBoundingClientRect().right > clientWidth + 1);
  return [`${scrollWidth} of ${clientWidth}`, ...beyond.slice(0, 5).map((node) => node.outerHTML.slice(0, 100))];
}
