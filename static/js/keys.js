// The one registry of keyboard shortcuts: modules declare theirs, the help lists them, the palette
// offers them. None acts while one types; those of a single character can be switched off.

import { occupied } from "./dialog.js";

// Between the two keys of one like "g l".
const PATIENCE = 1500;
const SETTING = "hive-keys";
const FIELDS = [
  "input:not([type=checkbox]):not([type=radio]):not([type=button]):not([type=submit])",
  "textarea",
  "select",
  "[contenteditable]",
  "[role=textbox]",
].join();

const known = [];
let pending = "";
let since = 0;
let chosen = null;

/**
 * Declare a shortcut.
 *
 * @param {object} shortcut `keys` such as "n", "g l" or "mod+k" (Ctrl, or ⌘ on a Mac), `label` and
 *   `group` for the help, `run()`, and if wanted `command: false` (the palette does not offer it),
 *   `repeat: true` (a key held down goes on), `where()` (whether it applies now), `always: true`
 *   (it is listened to elsewhere, whatever is switched off, and only told here).
 */
export function register(shortcut) {
  known.push({ command: true, repeat: false, where: () => true, ...shortcut });
}

/** All shortcuts of this page, in the order they were declared. */
export function shortcuts() {
  return [...known];
}

/** Whether shortcuts of a single character act. */
export function enabled() {
  if (chosen !== null) return chosen;
  try {
    return localStorage.getItem(SETTING) !== "off";
  } catch {
    return true;
  }
}

/** Switch shortcuts of a single character on or off, in this browser. */
export function setEnabled(on) {
  chosen = on;
  try {
    localStorage.setItem(SETTING, on ? "on" : "off");
    chosen = null; // other tabs may change it
  } catch {
    // Storage may be off: the choice then lasts as long as the page.
  }
}

const mac = /Mac|iPhone|iPad/.test(navigator.platform);

/** The keys as they are printed on a keyboard: ["Ctrl", "K"]. */
export function caps(keys) {
  const names = { mod: mac ? "⌘" : "Ctrl" };
  return keys.split(/[ +]/).map((key) => names[key] ?? (key.length > 1 ? key : key.toUpperCase()));
}

function nameOf(event) {
  const written = event.getModifierState("AltGraph"); // how some keyboards write "/"
  const mod = mac ? event.metaKey : event.ctrlKey;
  if (!written && mod) return event.altKey || event.shiftKey ? "" : `mod+${event.key.toLowerCase()}`;
  if (!written && (event.ctrlKey || event.metaKey || event.altKey)) return "";
  return event.key;
}

function take(name) {
  const now = performance.now();
  const begun = pending && now - since < PATIENCE ? `${pending} ${name}` : "";
  pending = "";
  for (const wanted of begun ? [begun, name] : [name]) {
    const found = known.find(({ keys, where }) => keys === wanted && where());
    if (found) return found;
    if (known.some(({ keys }) => keys.startsWith(`${wanted} `))) {
      pending = wanted;
      since = now;
      return null;
    }
  }
  return null;
}

/** Listen to the keyboard. */
export function setUpKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || occupied()) return;
    const name = nameOf(event);
    if (!name || ["Shift", "Control", "Alt", "Meta", "AltGraph"].includes(event.key)) return;
    const single = !name.startsWith("mod+");
    if (single && (!enabled() || event.target.closest?.(FIELDS))) return;
    const found = take(name);
    if (!found || (event.repeat && !found.repeat)) return;
    event.preventDefault();
    found.run();
  });
}
