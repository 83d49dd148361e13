// What the browser's tab says of the page: its title and its icon.

// A sign before the words, so that a narrow tab still tells.
const SIGNS = {
  created: "○",
  starting: "◐",
  running: "●",
  paused: "‖",
  completed: "✓",
  failed: "✗",
};
const TASK_CHARACTERS = 60;

/** Whether somebody looks at this page now, as far as a browser knows. */
export function watched() {
  return !document.hidden && document.hasFocus();
}

/** Call `action` when somebody turns to this page. */
export function onWatched(action) {
  const check = () => {
    if (watched()) action();
  };
  document.addEventListener("visibilitychange", check);
  window.addEventListener("focus", check);
}

/** The page's sign in the tab strip: an icon of static/icons. */
export function setIcon(name) {
  const link = document.querySelector("link[rel=icon]");
  const href = `${document.body.dataset.icons}${name}.svg`;
  if (link.getAttribute("href") !== href) link.setAttribute("href", href);
}

/** Set the title; a browser redraws its tab even for the same one. */
export function setTitle(title) {
  if (document.title !== title) document.title = title;
}

/** The title of a session's page: "● running · its task · hiveweb". */
export function sessionTitle(word, task) {
  return `${SIGNS[word] ?? "○"} ${word} · ${task.slice(0, TASK_CHARACTERS)} · hiveweb`;
}

/**
 * The list's tab: how many run, and how many have failed since somebody last looked at it. All that
 * ever failed would soon be a number that never changes.
 */
export class ListTab {
  /** `counts` by state are those the page was made with; `changed()` is called when it was seen. */
  constructor(counts, changed) {
    this.counts = counts;
    this.seen = counts.failed ?? 0;
    onWatched(() => {
      if (!this.failed) return;
      this.seen = this.counts.failed ?? 0;
      this.show(this.counts);
      changed();
    });
    this.show(counts);
  }

  /** Failures nobody has seen. */
  get failed() {
    return Math.max(0, (this.counts.failed ?? 0) - this.seen);
  }

  /** The icon that says it. */
  get icon() {
    if (this.failed) return "failed";
    return this.counts.running ? "running" : "idle";
  }

  /** Take new counts. */
  show(counts) {
    this.counts = counts;
    // A cleanup takes failed ones away; those that fail after it count all the same.
    const failed = counts.failed ?? 0;
    if (watched() || failed < this.seen) this.seen = failed;
    const words = [];
    if (counts.running) words.push(`${counts.running} running`);
    if (this.failed) words.push(`${this.failed} failed`);
    setTitle(`${words.length ? `(${words.join(", ")}) ` : ""}Sessions · hiveweb`);
  }
}
