// What can be done to a session: each action with what it does, or why it cannot be done now.

import { STAY } from "./identity.js";
import { size } from "./time.js";
import { say } from "./words.js";

/**
 * Fills templates/parts/deeds.html, and tells in the questions before a stop and a cleanup
 * what they would end and remove.
 */
export class Deeds {
  constructor(root, sessionId) {
    this.place = root.querySelector("[data-deeds]");
    this.stopNow = root.querySelector("[data-stop-now]");
    this.cleanupNow = root.querySelector("[data-cleanup-now]");
    this.id = sessionId;
    this.place.addEventListener("click", (event) => {
      const asked = event.target.closest("[data-deed] :is(button, a)");
      if (!asked) return;
      if (asked.getAttribute("aria-disabled") === "true") event.preventDefault();
      else if (asked.hash) this.place.hidePopover();
    });
    // The question before a stop stands on this one.
    root.addEventListener("done", () => this.place.hidePopover?.());
    root.querySelector("#stop-confirm").addEventListener("toggle", (event) => {
      if (event.newState === "open") this.count();
    });
    root.querySelector("#cleanup-confirm").addEventListener("toggle", (event) => {
      if (event.newState === "open") this.weigh();
    });
  }

  show(deeds) {
    for (const { name, does, possible, why_not: whyNot, shown } of deeds) {
      const item = this.place.querySelector(`[data-deed=${name}]`);
      item.hidden = !shown;
      item.classList.toggle("is-off", !possible);
      const asks = item.querySelector("button, a");
      if (possible) asks.removeAttribute("aria-disabled");
      else asks.setAttribute("aria-disabled", "true");
      say(item.querySelector("[data-does]"), does);
      say(item.querySelector("[data-why-not]"), whyNot);
    }
  }

  /** Nothing can be done any more. */
  gone(whyNot) {
    for (const item of this.place.querySelectorAll("[data-deed]")) {
      item.classList.add("is-off");
      item.querySelector("button, a").setAttribute("aria-disabled", "true");
      say(item.querySelector("[data-why-not]"), whyNot);
    }
  }

  /** What a cleanup would remove, as of now. */
  async weigh() {
    say(this.cleanupNow, "");
    try {
      const answer = await fetch("/api/v1/sessions/bulk", {
        ...STAY,
        method: "POST",
        body: JSON.stringify({ action: "cleanup", ids: [this.id], dry_run: true }),
        headers: { "Content-Type": "application/json" },
      });
      if (!answer.ok) return;
      const { detail } = (await answer.json()).results[0];
      say(this.cleanupNow, `As of now: ${detail}.`);
    } catch {
      // The question stands without it.
    }
  }

  /** What a stop would end and what it leaves, as of now. */
  async count() {
    say(this.stopNow, "");
    try {
      const answer = await fetch(`/api/v1/sessions/${this.id}/metrics?points=1`, STAY);
      if (!answer.ok) return;
      const { resources, activity } = await answer.json();
      const processes = resources.now?.processes;
      const words = [];
      if (processes) words.push(`It has ${processes} process${processes === 1 ? "" : "es"} now.`);
      if (activity.bytes) words.push(`Its log has ${size(activity.bytes)}.`);
      say(this.stopNow, words.join(" "));
    } catch {
      // The question stands without it.
    }
  }
}
