// The colour theme, and whether times are ages or exact: what the reader chose for this browser.

import { showExactly } from "./time.js";

// The log keeps whether it shows times of its own: "hive-times" (logtools.js).
const TIMES = "hive-exact-times";
export const THEMES = ["auto", "light", "dark"];

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Storage may be off: the choice then lasts as long as the page.
  }
}

function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** The theme that is chosen now. */
export function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

/** Choose a theme. */
export function choose(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  keep("hive-theme", name);
  showTheme();
}

function showTheme() {
  const button = document.querySelector("[data-theme-toggle]");
  if (!button) return;
  const name = theme();
  button.querySelector("[data-theme-word]").textContent = name;
  button.setAttribute("aria-label", `Colour theme: ${name}`);
  button.title = `Colour theme: ${name}`;
  button.hidden = false;
}

/** The next theme of the three. */
export function nextTheme() {
  choose(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
}

function showTimes(exactly) {
  showExactly(exactly);
  document.querySelector("[data-times-toggle]")?.setAttribute("aria-pressed", String(exactly));
}

/** Ages and short times become exact ones, and back; says which. */
export function toggleTimes() {
  const exactly = kept(TIMES) !== "exact";
  keep(TIMES, exactly ? "exact" : "ages");
  showTimes(exactly);
  return exactly;
}

/** The button in the top bar, and what was chosen before. */
export function setUpLook() {
  document.querySelector("[data-theme-toggle]")?.addEventListener("click", nextTheme);
  showTheme();
  showTimes(kept(TIMES) === "exact");
  // Tabs of one browser look alike.
  window.addEventListener("storage", ({ key, newValue }) => {
    if (key === "hive-theme" && THEMES.includes(newValue) && newValue !== theme()) choose(newValue);
    if (key === TIMES) showTimes(newValue === "exact");
  });
}
