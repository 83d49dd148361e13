// Which columns the reader has chosen, before the list is painted. A plain script for that reason.
(() => {
  "use strict";
  let hidden = "updated";
  try {
    hidden = localStorage.getItem("hive-hidden-columns") ?? hidden;
  } catch {
    // Storage may be off: then the usual columns are shown.
  }
  document.documentElement.dataset.hide = hidden;
  document.documentElement.dataset.scripts = "on";
})();
