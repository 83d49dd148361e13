// Going through a page's list with j and k: the keyboard moves from link to link, Enter opens one.

import { register } from "./keys.js";

const ENTRIES = "[data-rows] [data-title], .attention-item a";
// The row, by which a link is known again when its list was read afresh.
const idOf = (link) => link.closest("[data-id], [data-key]")?.dataset.id ?? link.href;

let last = "";

function step(by) {
  const links = [...document.querySelectorAll(ENTRIES)].filter((link) => link.checkVisibility());
  if (!links.length) return;
  const row = document.activeElement?.closest?.("[data-rows] tr, .attention-item");
  let place = links.findIndex((link) => (row ? row.contains(link) : idOf(link) === last));
  place = place < 0 ? (by > 0 ? 0 : links.length - 1) : place + by;
  const link = links[Math.max(0, Math.min(place, links.length - 1))];
  last = idOf(link);
  link.focus({ preventScroll: true, focusVisible: true });
  link.scrollIntoView({ block: "nearest" });
}

/** Declare the keys, on pages that have a list. */
export function setUpWalk() {
  if (!document.querySelector("[data-rows], [data-part=attention]")) return;
  const group = "In a list";
  const shared = { group, command: false, repeat: true };
  register({ ...shared, keys: "j", label: "Next one", run: () => step(1) });
  register({ ...shared, keys: "k", label: "The one before", run: () => step(-1) });
}
