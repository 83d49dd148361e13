// Tells of sessions that end, by notifications of the browser: one page of it does so for all.

import { anything, keepProgress, onChoice, progress, tell, wanted } from "./choices.js";
import { LiveSocket } from "./socket.js";
import { sessionTitle, watched } from "./tab.js";
import { now } from "./time.js";

const FINISHED = ["completed", "failed"];
// A page whose progress is kept this often leaves no gap behind it (milliseconds).
const KEEP = 10_000;
const LOOKING = "hive-looking";

/** The session that this page shows, if any. */
export function shownSession() {
  return document.querySelector("[data-session]")?.dataset.session ?? "";
}

function looking(id) {
  try {
    return localStorage.getItem(LOOKING) === id;
  } catch {
    return false;
  }
}

/** Who looks at a session sees its end: other tabs know of it. */
function noteLooking() {
  const id = shownSession();
  const note = () => {
    try {
      if (watched() && id) localStorage.setItem(LOOKING, id);
      else if (id ? looking(id) : watched()) localStorage.removeItem(LOOKING);
    } catch {
      // Storage may be off: one is told of what one sees.
    }
  };
  for (const name of ["focus", "blur"]) window.addEventListener(name, note);
  document.addEventListener("visibilitychange", note);
  window.addEventListener("pagehide", () => looking(id) && localStorage.removeItem(LOOKING));
  note();
}

class Watch {
  constructor(reader) {
    this.reader = reader;
    const before = progress(Date.now());
    this.cursor = before?.cursor ?? null;
    this.since = before?.since ?? now();
    this.socket = new LiveSocket(() => this.path(), {
      text: (message) => this.take(message),
      state: () => {},
      aside: true,
    });
    setInterval(() => this.keep(), KEEP);
    window.addEventListener("pagehide", () => this.keep());
  }

  path() {
    return this.cursor === null ? "/ws/sessions" : `/ws/sessions?since=${this.cursor}`;
  }

  keep() {
    if (this.cursor !== null) keepProgress(this.cursor, this.since, Date.now());
  }

  take({ cursor, sessions = [] }) {
    for (const session of sessions) this.consider(session);
    if (cursor === undefined) return;
    this.cursor = cursor;
    this.socket.acknowledge(cursor);
    this.keep();
  }

  consider(session) {
    const id = session.session_id;
    // An old one changes too, when it is pinned: its end is no news.
    if (!FINISHED.includes(session.status) || Date.parse(session.ended) < this.since) return;
    if (!wanted(session, this.reader) || !tell(id) || looking(id)) return;
    notify(session);
  }
}

function notify({ session_id: id, title, status, summary }) {
  const body = status === "failed" ? summary || "It failed." : "It has completed.";
  const notification = new Notification(sessionTitle(status, title).replace(/ · hiveweb$/, ""), {
    body,
    tag: `hive-${id}`,
    icon: `${document.body.dataset.icons}notify-${status}.png`,
  });
  notification.addEventListener("click", () => {
    notification.close();
    window.focus();
    // Never out of a page on which something may have been typed.
    if (shownSession() !== id) window.open(`/sessions/${id}/`, "_blank");
  });
}

/** Whether this browser can tell at all: "granted", "default", "denied", "insecure" or "unable". */
export function permission() {
  if (!isSecureContext) return "insecure";
  if (!("Notification" in window) || !navigator.locks) return "unable";
  return Notification.permission;
}

let waiting = false;

/** Begin to watch, or to wait for the page that does to be closed; asks nobody for anything. */
export function watch() {
  const { reader } = document.body.dataset;
  if (waiting || !reader || permission() !== "granted" || !anything()) return;
  waiting = true;
  // One page holds it until it is closed; then the next one goes on where that one was.
  navigator.locks.request("hive-notify", () => {
    new Watch(reader);
    return new Promise(() => {});
  });
}

/** Watch, if the reader has chosen to be told. */
export function setUpWatch() {
  noteLooking();
  onChoice(watch);
  watch();
}
