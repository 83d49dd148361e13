// What the sessions of the page use and write: asked for while somebody looks, all rows at once.

import { STAY } from "./identity.js";

const EVERY = 5000;
const FIGURES = ["cpu", "memory", "output"];

/** Keeps the columns CPU, memory and last output of the rows that run current. */
export class Figures {
  constructor(rows) {
    this.rows = rows;
    this.ended = new Set(); // rows whose last figures are not shown yet
    this.notBefore = performance.now() + EVERY;
    setInterval(() => this.ask(), EVERY);
    document.addEventListener("visibilitychange", () => this.ask());
  }

  /** A session is in another state: what is shown of it may be too. */
  changed(id) {
    this.ended.add(id);
  }

  /** Ask the server, unless it was asked a moment ago. */
  async ask() {
    const hidden = (document.documentElement.dataset.hide ?? "").split(" ");
    const unseen = FIGURES.every((name) => hidden.includes(name));
    if (document.hidden || unseen || this.asking || performance.now() < this.notBefore) return;
    const ids = new Set([...this.rows.idsIn("running"), ...this.ended].filter((id) => this.rows.has(id)));
    this.ended.clear();
    if (!ids.size) return;
    this.notBefore = performance.now() + EVERY / 2;
    this.asking = true;
    try {
      const asked = `/sessions/figures?ids=${[...ids].join()}`;
      const response = await fetch(asked, { ...STAY, headers: { Accept: "application/json" } });
      if (!response.ok) return;
      for (const [id, figures] of Object.entries(await response.json())) {
        this.rows.measure(id, figures);
      }
    } catch {
      // The line is down: the page says so already, and asks again.
    } finally {
      this.asking = false;
    }
  }
}
