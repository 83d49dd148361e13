// Shortcuts that every page has: to the other pages, to the search field, to theme and times.

import { nextTheme, toggleTimes } from "./look.js";
import { openHelp } from "./help.js";
import { register } from "./keys.js";
import { toast } from "./toast.js";

const GO = "Go to";

function goTo(keys, label, selector, focusFirst = false) {
  const link = document.querySelector(selector);
  if (!link) return;
  const run = () => (focusFirst ? focus(link) : location.assign(link.href));
  register({ keys, label, group: GO, run });
}

function focus(field) {
  field.focus();
  field.select?.();
}

/** Declare them, as far as the page's navigation has what they lead to. */
export function setUpPlaces() {
  // The sign-in page has no help, and so no keys: none acts that is not listed.
  if (!document.querySelector("[data-help]")) return;
  setUpTimes();
  register({ keys: "?", label: "All keyboard shortcuts", group: "Anywhere", run: openHelp });
  // In the log n and t are its own: outside it they are no keys, so that none has two meanings.
  register({ keys: "e", label: "Exact times, or not", group: "Anywhere", run: switchTimes });
  register({ keys: "c", label: "Colours: auto, light, dark", group: "Anywhere", run: nextTheme });
  goTo("g l", "Sessions", "[data-home]");
  goTo("g o", "Overview", '.pages a[href$="/overview"]');
  goTo("g h", "Hosts", '.pages a[href$="/hosts"]');
  goTo("g a", "Account and tokens", '.menu-list a[href$="/account"]');
  goTo("g c", "New session", "[data-new]");
  goTo("/", "Search field", "[data-search]", true);
}

function setUpTimes() {
  const button = document.querySelector("[data-times-toggle]");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", switchTimes);
}

function switchTimes() {
  toast(toggleTimes() ? "Times are exact now." : "Times are short now.");
}
