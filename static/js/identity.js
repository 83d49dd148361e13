// Whether the reader is still signed in. Once they are not, the page hears of it by one event.

// Any answer tells; this one is small.
const ASKED = "/api/v1/queue";
const EVENT = "hive-signed-out";

/** Options of a fetch whose answer `refused` can judge: the way to the sign-in page is not taken. */
export const STAY = { redirect: "manual", cache: "no-store" };

/** Whether an answer says that nobody is signed in (any more). */
export function refused(response) {
  return response.status === 401 || response.type === "opaqueredirect";
}

/** Ask the server: "in", "out", or "unknown" when it cannot be reached or says something else. */
export async function ask() {
  try {
    const response = await fetch(ASKED, STAY);
    if (refused(response)) return "out";
    return response.ok ? "in" : "unknown";
  } catch {
    return "unknown";
  }
}

/** Tell the page that the reader is signed out. */
export function signedOut() {
  document.dispatchEvent(new Event(EVENT));
}

/** Be told of it. */
export function onSignedOut(action) {
  document.addEventListener(EVENT, action, { once: true });
}

/** The sign-in page, which then leads back here. */
export function wayIn() {
  return `/login?${new URLSearchParams({ next: location.pathname + location.search })}`;
}
