// Light or dark, before anything is painted: the reader's choice, else the system's. No module, so that it blocks.
(() => {
  const NAME = "taskrunner-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => { try { return localStorage.getItem(NAME); } catch { return null; } };
  const show = () => { document.documentElement.dataset.theme = chosen() ?? (system.matches ? "dark" : "light"); };
  system.addEventListener("change", show);
  document.addEventListener("theme:switch", () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    const isSystem = next === (system.matches ? "dark" : "light");
    try { isSystem ? localStorage.removeItem(NAME) : localStorage.setItem(NAME, next); } catch { /* shown, not kept */ }
    document.documentElement.dataset.theme = next;
  });
  show();
})();
