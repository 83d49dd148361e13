// Keys while the log has the focus. Others, and those with Ctrl, Alt or Meta, are the browser's.

import { register } from "./keys.js";

// For the help: they act in the log alone, and so whether or not single keys are switched off.
const WORDS = {
  Home: "Its start",
  End: "Its end, and follow it",
  "/": "Search it",
  n: "Next hit",
  "Shift+N": "The hit before",
  f: "Follow it, or not",
  w: "Wrap lines, or not",
  t: "Times of arrival",
  m: "Fold messages, or not",
  g: "Go to a place",
};

/** The log's keys call methods of `view` (see logview.js). */
export function setUpKeys(box, view) {
  const { tools } = view;
  const keys = {
    Home: () => view.goTo({ offset: 0 }),
    End: () => view.follow(true),
    "/": () => view.search.open(),
    n: () => view.search.go(true),
    N: () => view.search.go(false),
    f: () => view.follow(!view.following),
    w: () => tools.wrap(!view.wrapped),
    t: () => tools.showTimes(!view.times.on),
    m: () => tools.fold(!view.folded),
    g: () => tools.askWhere(),
    Escape: () => view.mark(null),
  };
  const shared = { group: "While the log has the focus", always: true, command: false };
  for (const [name, label] of Object.entries(WORDS)) {
    register({ ...shared, keys: name, label, where: () => false, run: () => {} });
  }
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== box) return;
    const action = keys[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  });
}
