// The help: every shortcut of the page, out of the registry, and the switch for single keys.

import { open, setUpDialog } from "./dialog.js";
import { caps, enabled, setEnabled, shortcuts } from "./keys.js";

/** Keys as <kbd> elements. */
export function keyCaps(keys) {
  return caps(keys).map((cap) => {
    const element = document.createElement("kbd");
    element.textContent = cap;
    return element;
  });
}

function lineOf({ keys, label, always }) {
  const line = document.createElement("div");
  const what = document.createElement("dt");
  const how = document.createElement("dd");
  what.textContent = label;
  how.dataset.keys = keys;
  how.toggleAttribute("data-always", Boolean(always));
  how.append(...keyCaps(keys));
  if (keys.includes(" ")) how.children[0].after(" then ");
  line.append(what, how);
  return line;
}

function fill(place) {
  const groups = Map.groupBy
    ? Map.groupBy(shortcuts(), ({ group }) => group)
    : shortcuts().reduce(
        (all, one) => all.set(one.group, [...(all.get(one.group) ?? []), one]),
        new Map(),
      );
  place.replaceChildren(
    ...[...groups].map(([name, members]) => {
      const section = document.createElement("section");
      const title = document.createElement("h3");
      const list = document.createElement("dl");
      title.textContent = name;
      list.append(...members.map(lineOf));
      section.append(title, list);
      return section;
    }),
  );
}

const dialog = document.querySelector("[data-help]");

/** Show it. */
export function openHelp() {
  fill(dialog.querySelector("[data-help-keys]"));
  const choice = dialog.querySelector("[data-keys-on]");
  choice.checked = enabled();
  dialog.classList.toggle("keys-off", !choice.checked);
  open(dialog);
}

/** Make it ready. */
export function setUpHelp() {
  if (!dialog) return;
  setUpDialog(dialog);
  dialog.querySelector("[data-keys-on]").addEventListener("change", (event) => {
    setEnabled(event.target.checked);
    dialog.classList.toggle("keys-off", !event.target.checked);
  });
  for (const button of document.querySelectorAll("[data-open-help]")) {
    button.hidden = false;
    button.addEventListener("click", openHelp);
  }
}
