// The colour theme, set before the page is painted. A plain script, not a module, for that reason.
(() => {
  "use strict";
  let theme = null;
  try {
    theme = localStorage.getItem("hive-theme");
  } catch {
    // Storage may be off; the system's choice counts then.
  }
  if (theme === "light" || theme === "dark") {
    document.documentElement.dataset.theme = theme;
  }
})();
