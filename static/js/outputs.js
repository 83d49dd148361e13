// The list of a session's output files, read again while it runs and when it has ended.

import { refused, signedOut, STAY } from "./identity.js";
import { size } from "./time.js";

const SHOWN = 500;
const PAUSE = 5000;

export class Outputs {
  constructor(root, sessionId) {
    this.list = root.querySelector("[data-outputs]");
    this.note = root.querySelector("[data-outputs-note]");
    this.count = root.querySelector("[data-outputs-count]");
    this.url = `/api/v1/sessions/${sessionId}/outputs`;
    this.shown = "";
  }

  /** Read now, and again and again while `live`. */
  async keep(live) {
    clearTimeout(this.timer);
    this.live = live;
    await this.read();
    clearTimeout(this.timer);
    if (this.live) this.timer = setTimeout(() => this.keep(this.live), PAUSE);
  }

  async read() {
    if (document.hidden && this.live) return;
    let listing;
    try {
      const response = await fetch(this.url, { ...STAY, headers: { Accept: "application/json" } });
      if (refused(response)) {
        this.live = false;
        signedOut();
        return;
      }
      listing = await response.json();
      if (!response.ok) throw new Error(listing.detail);
    } catch (error) {
      // While the server is away the files stay as they are.
      if (!(error instanceof TypeError)) this.note.textContent = error.message;
      return;
    }
    const text = JSON.stringify(listing);
    if (text !== this.shown || !this.live) this.draw(listing);
    this.shown = text;
  }

  draw({ files, truncated }) {
    const total = files.reduce((sum, file) => sum + file.size, 0);
    const number = `${files.length}${truncated ? " or more" : ""}`;
    this.count.textContent = files.length ? `${number}, ${size(total)}` : "";
    const more = files.length - SHOWN;
    this.note.textContent = files.length ? "" : this.live ? "None yet." : this.note.dataset.none;
    if (more > 0) this.note.textContent = `${more} more are not shown.`;
    this.list.replaceChildren(
      ...files.slice(0, SHOWN).map((file) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        link.textContent = file.path;
        link.href = file.url;
        link.download = "";
        const bytes = document.createElement("span");
        bytes.className = "muted";
        bytes.textContent = size(file.size);
        item.append(link, bytes);
        return item;
      }),
    );
  }
}
