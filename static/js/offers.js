// What the palette offers: places, what can be done with this page's session, settings, sessions found.

import { refused, signedOut, STAY } from "./identity.js";
import { shortcuts } from "./keys.js";

const MOST = 8;

const textOf = (element) => element.textContent.trim().replace(/\s+/g, " ");

/** Where the page's own navigation leads, so that nothing is offered that the reader may not open. */
function places() {
  const links = document.querySelectorAll("[data-home], .pages a, [data-new], .menu-list a");
  const found = new Map();
  for (const link of links) {
    const label = link.dataset.home ?? textOf(link);
    if (!found.has(link.href)) found.set(link.href, { group: "Go to", label, href: link.href });
  }
  return [...found.values()];
}

/** The buttons of this session's page: the palette presses them, with whatever they ask first. */
function actions() {
  const place = document.querySelector("[data-actions]");
  if (!place) return [];
  const seen = [...place.querySelectorAll("button, a[href]")].filter(
    (element) => !element.closest("[hidden], [popover], dialog") && element.checkVisibility(),
  );
  // Once it has ended it can be cleaned up; only the panel of all actions has a button for that.
  const cleanup = document.querySelector("[data-cleanup]:not([aria-disabled=true])");
  return [...seen, ...(cleanup ? [cleanup] : [])]
    .map((element) => ({
      group: "This session",
      label: textOf(element),
      note: element.title,
      run: () => {
        element.focus();
        element.click();
      },
    }));
}

/** What modules have declared with a key, but for the places above. */
function declared() {
  return shortcuts()
    .filter(({ command, where }) => command && where())
    .map(({ group, label, keys, run }) => ({ group, label, keys, run }));
}

/** Everything that can be chosen without asking the server, for the words of `text`. */
export function offers(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const named = (offer) => `${offer.label} ${offer.group}`.toLowerCase();
  const all = [...actions(), ...places(), ...declared()].filter((offer) =>
    words.every((word) => named(offer).includes(word)),
  );
  // Of two with one name, the one with a key: it teaches the key.
  const byName = new Map();
  for (const offer of all) {
    const before = byName.get(offer.label);
    byName.set(offer.label, before ? { ...before, keys: before.keys ?? offer.keys } : offer);
  }
  return [...byName.values()];
}

/**
 * Sessions whose id or swarm begins with `text`, or whose task has it.
 *
 * @returns {Promise<{offers: object[], problem: string}>}
 */
export async function sessions(text, signal) {
  const query = new URLSearchParams({ q: text, limit: MOST, fields: "session_id,task,status" });
  let response;
  try {
    response = await fetch(`/api/v1/sessions?${query}`, { ...STAY, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { offers: [], problem: "The server could not be reached to look for sessions." };
  }
  if (refused(response)) {
    signedOut();
    return { offers: [], problem: "You are signed out." };
  }
  if (!response.ok) return { offers: [], problem: "The server could not look for sessions now." };
  const answer = await response.json();
  const found = answer.sessions.map(({ session_id: id, task, status }) => ({
    group: "Sessions",
    label: task.trim().split("\n", 1)[0] || id,
    note: `${status} · ${id.slice(0, 8)}`,
    href: `/sessions/${id}/`,
    status,
  }));
  return { offers: found, problem: "" };
}
