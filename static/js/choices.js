// Which ends of sessions this browser tells of, and which it has told; kept for all its tabs.

const SETTING = "hive-notify";
const FOLLOWED = "hive-notify-followed";
const TOLD = "hive-notify-told";
const CURSOR = "hive-notify-cursor";
const MOST = 200;
// Ends that came while no page was open for longer than this are no news (milliseconds).
const GAP = 60_000;

function read(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function write(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** `{mine, failures}`: all sessions of the reader's, and every one that fails. */
export function setting() {
  const { mine = false, failures = false } = read(SETTING, {});
  return { mine, failures };
}

/** Change the setting; false where this browser keeps nothing. */
export function choose(values) {
  return write(SETTING, { ...setting(), ...values });
}

/** Whether a session's bell is on. */
export function follows(id) {
  return read(FOLLOWED, []).includes(id);
}

/** Switch a session's bell; false where this browser keeps nothing. */
export function follow(id, on) {
  const others = read(FOLLOWED, []).filter((one) => one !== id);
  return write(FOLLOWED, on ? [...others, id].slice(-MOST) : others);
}

/** Whether anything is to be told at all. */
export function anything() {
  const { mine, failures } = setting();
  return mine || failures || read(FOLLOWED, []).length > 0;
}

/** Whether the end of `session` is to be told to `reader`. */
export function wanted(session, reader) {
  const { mine, failures } = setting();
  if (follows(session.session_id)) return true;
  if (mine && session.owner === reader) return true;
  return failures && session.status === "failed";
}

/** Note that an end was told; false when it had been already. */
export function tell(id) {
  const told = read(TOLD, []);
  if (told.includes(id)) return false;
  write(TOLD, [...told, id].slice(-MOST));
  follow(id, false);
  return true;
}

/**
 * Where another page of this browser has come to: `{cursor, since}`, of which `since` is the
 * server's time from which on ends are news; null when none was open lately.
 */
export function progress(now) {
  const kept = read(CURSOR, null);
  return kept && now - kept.at < GAP ? kept : null;
}

/** Keep how far this page has come. */
export function keepProgress(cursor, since, now) {
  write(CURSOR, { cursor, since, at: now });
}

/** Call `action` when a tab changes any of it. */
export function onChoice(action) {
  window.addEventListener("storage", ({ key }) => {
    if (key === null || key === SETTING || key === FOLLOWED) action();
  });
}
