// What every page has: menu, copy buttons, forms that are sent once, and what other modules bring:
// look, times, shortcuts, palette, help, notifications.

import { setUpHelp } from "./help.js";
import { setUpKeys } from "./keys.js";
import { setUpLook } from "./look.js";
import { setUpNotices } from "./notices.js";
import { setUpPalette } from "./palette.js";
import { setUpPlaces } from "./places.js";
import { keepCurrent } from "./time.js";
import { setUpWalk } from "./walk.js";

export { setIcon } from "./tab.js";
export { toast } from "./toast.js";

/** The menu closes like one: by Escape, by a press elsewhere, when the focus leaves it. */
function setUpMenu() {
  const menu = document.querySelector("[data-menu]");
  if (!menu) return;
  const closeFrom = (event) => {
    if (menu.open && !menu.contains(event.target)) menu.open = false;
  };
  document.addEventListener("pointerdown", closeFrom);
  document.addEventListener("focusin", closeFrom);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

function setUpCopying() {
  for (const button of document.querySelectorAll("[data-copy]")) button.hidden = false;
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = button.closest(".copy-block").querySelector("pre, code");
    const done = await copy(source);
    if (done) button.dispatchEvent(new CustomEvent("copied", { bubbles: true }));
    const label = (button.dataset.label ??= button.textContent);
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => {
      button.textContent = label;
    }, 1500);
  });
}

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    // No clipboard beyond localhost without TLS: select the text instead.
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}

function setUpForms() {
  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", () => {
      for (const button of form.querySelectorAll("[type=submit]")) button.disabled = true;
    });
  }
  // A page that comes back from the history may be sent again.
  window.addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("form[data-once] [type=submit]")) {
      button.disabled = false;
    }
  });
}

setUpLook();
setUpMenu();
setUpCopying();
setUpForms();
keepCurrent();
setUpPalette();
setUpPlaces();
setUpWalk();
setUpHelp();
setUpNotices();
setUpKeys();
