// What stands beside a session's state: paused, stalled, not before, pinned (presentation.marks).

import { setMoment } from "./time.js";

/** Show the marks that apply, wherever they stand below `root`; others are hidden. */
export function showMarks(root, marks) {
  for (const element of root.querySelectorAll("[data-mark]")) {
    const value = marks[element.dataset.mark];
    if (value === undefined) continue;
    element.hidden = !value;
    const time = element.querySelector("time");
    if (time && value) setMoment(time, value);
  }
}
