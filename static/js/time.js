// Times as people read them: ages, durations and exact times in the reader's zone, kept current.

const serverNow = Date.parse(document.body.dataset.now);
// The reader's clock may be wrong; ages count by the server's.
const skew = Number.isNaN(serverNow) ? 0 : serverNow - Date.now();

const exactFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const shortFormat = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "medium",
});
const clockFormat = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

const compactOptions = {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
};
const compactFormat = new Intl.DateTimeFormat(undefined, compactOptions);
const compactYearFormat = new Intl.DateTimeFormat(undefined, { ...compactOptions, year: "numeric" });
const dayFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const minuteFormat = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });

/** The server's time in milliseconds since 1970. */
export function now() {
  return Date.now() + skew;
}

/** "2026-11-26", the reader's day. */
function isoDay(moment) {
  const date = new Date(moment);
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** "just now", "5 min ago", "2 days ago", then the date. */
export function ago(moment) {
  const seconds = Math.floor((now() - moment) / 1000);
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  const days = Math.floor(seconds / 86400);
  if (days > 30) return isoDay(moment);
  return days === 1 ? "1 day ago" : `${days} days ago`;
}

/** "8s", "1m 03s", "2h 05m", "3d 04h": the two largest units. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (number) => String(number).padStart(2, "0");
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  const hours = Math.floor(seconds / 3600);
  if (hours < 24) return `${hours}h ${two(Math.floor(seconds / 60) % 60)}m`;
  return `${Math.floor(hours / 24)}d ${two(hours % 24)}h`;
}

/** "0.4s" below ten seconds, else as `duration` has it. */
export function brief(seconds) {
  return seconds < 9.95 ? `${seconds.toFixed(1)}s` : duration(1000 * Math.round(seconds));
}

/** "14:00" or "2:00 PM", with the date before it where it is another day's. */
export function when(moment) {
  const day = dayFormat.format(moment);
  const time = minuteFormat.format(moment);
  return day === dayFormat.format(now()) ? time : `${day} ${time}`;
}

/** "1.5 kB", "23 MB". */
export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  while (value >= 999.5 && units.length > 1) {
    value /= 1000;
    units.shift();
  }
  return `${value < 9.95 && units[0] !== "B" ? value.toFixed(1) : value.toFixed(0)} ${units[0]}`;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set the moment that a <time> element shows. */
export function setMoment(element, moment) {
  if (element.getAttribute("datetime") !== moment) element.setAttribute("datetime", moment);
}

function exactly(element) {
  const moment = element.getAttribute("datetime");
  if (element.dataset.titled !== moment && moment) {
    element.dataset.titled = moment;
    element.title = exactFormat.format(new Date(moment));
  }
  return moment ? Date.parse(moment) : NaN;
}

let allExact = false;

/** Whether all times are written as exact ones; for those who cannot hover, and who compare. */
export function showExactly(on) {
  allExact = on;
  document.documentElement.toggleAttribute("data-exact-times", on);
  refresh();
}

/** "26 Nov, 14:03:22" as the reader's language has it; with the year where it is another one. */
function compact(moment) {
  const date = new Date(moment);
  const sameYear = date.getFullYear() === new Date(now()).getFullYear();
  return (sameYear ? compactFormat : compactYearFormat).format(date);
}

const WRITTEN = {
  "[data-ago]": (moment) => (allExact ? compact(moment) : ago(moment)),
  "[data-exact]": (moment) => (allExact ? exactFormat : shortFormat).format(moment),
  "[data-clock]": (moment) => (allExact ? compact(moment) : clockFormat.format(moment)),
  "[data-when]": (moment) => (allExact ? compact(moment) : when(moment)),
  "[data-lasting]": (moment) => duration(now() - moment),
};

/** Bring every time below `root` up to now. */
export function refresh(root = document) {
  for (const [selector, write] of Object.entries(WRITTEN)) {
    for (const element of root.querySelectorAll(selector)) {
      const moment = exactly(element);
      if (!Number.isNaN(moment)) setText(element, write(moment));
    }
  }
  for (const element of root.querySelectorAll("[data-duration]")) {
    setText(element, element.dataset.from ? ranFor(element.dataset) : "–");
  }
}

/** How long a run took, or takes until now, less its pauses. */
function ranFor({ from, to, less }) {
  return duration((to ? Date.parse(to) : now()) - Date.parse(from) - 1000 * (less ?? 0));
}

/** Tell a run's clock when it began, stands still or ended, and what does not count. */
export function setClock(element, session) {
  element.dataset.from = session.started ?? "";
  element.dataset.to = session.ended ?? session.marks.paused;
  element.dataset.less = session.paused_seconds;
}

/** Keep all times of the page current. */
export function keepCurrent() {
  refresh();
  setInterval(() => {
    if (!document.hidden) refresh();
  }, 1000);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refresh();
  });
}
