// What every page has: theme switch, menu, copy buttons, times, toasts, forms that are sent once.

import { keepCurrent } from "./time.js";

const THEMES = ["auto", "light", "dark"];

function setUpTheme() {
  const button = document.querySelector("[data-theme-toggle]");
  if (!button) return;
  const word = button.querySelector("[data-theme-word]");
  const show = (theme) => {
    word.textContent = theme;
    button.setAttribute("aria-label", `Colour theme: ${theme}`);
    button.title = `Colour theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    const current = document.documentElement.dataset.theme ?? "auto";
    const next = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("hive-theme", next);
    } catch {
      // Storage may be off: the choice then lasts as long as the page.
    }
    show(next);
  });
  show(document.documentElement.dataset.theme ?? "auto");
  button.hidden = false;
}

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

/** Say something in passing. */
export function toast(text) {
  const place = document.querySelector("[data-toasts]");
  const element = document.createElement("p");
  element.className = "toast";
  element.textContent = text;
  place.append(element);
  while (place.children.length > 4) place.firstElementChild.remove();
  setTimeout(() => element.remove(), 7000);
}

/** The page's sign in the tab strip: an icon of static/icons. */
export function setIcon(name) {
  const link = document.querySelector("link[rel=icon]");
  const href = `${document.body.dataset.icons}${name}.svg`;
  if (link.getAttribute("href") !== href) link.setAttribute("href", href);
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
  document.addEventListener("keydown", (event) => {
    const search = document.querySelector("[data-search]");
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    const chord = event.ctrlKey || event.metaKey || event.altKey;
    if (event.key !== "/" || !search || typing || chord) return;
    event.preventDefault();
    search.select();
  });
}

setUpTheme();
setUpMenu();
setUpCopying();
setUpForms();
keepCurrent();
