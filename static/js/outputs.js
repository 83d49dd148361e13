// A session's output files, read again while it runs and when it has ended: a tree, and previews.

import { refused, signedOut, STAY } from "./identity.js";
import { Preview } from "./preview.js";
import { size } from "./time.js";
import { Tree } from "./tree.js";

const SHOWN = 5000;
const PAUSE = 5000;

/** Fills templates/parts/outputs.html. */
export class Outputs {
  constructor(root, sessionId) {
    this.root = root;
    this.note = this.at("outputs-note");
    this.count = this.at("outputs-count");
    this.url = `/api/v1/sessions/${sessionId}/outputs`;
    this.shown = "";
    this.files = new Map();
    this.preview = new Preview(root, () => this.chosen());
    this.tree = new Tree(this.at("outputs"), (url) => this.choose(url));
  }

  at(name) {
    return this.root.querySelector(`[data-${name}]`);
  }

  choose(url) {
    const file = this.files.get(url);
    if (!file && !this.shown) this.wanted = url; // it is shown once the files are known
    if (!file) return !this.shown;
    this.preview.show(file);
    this.chosen();
    return true;
  }

  /** Mark what the preview shows, and give it room. */
  chosen() {
    this.at("outputs-split").classList.toggle("is-split", Boolean(this.preview.url));
    this.tree.choose(this.preview.url);
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
      this.wanted = "";
      // While the server is away the files stay as they are.
      if (!(error instanceof TypeError)) this.note.textContent = error.message;
      return;
    }
    const text = JSON.stringify(listing);
    if (text !== this.shown || !this.live) this.draw(listing);
    this.shown = text;
    if (this.wanted) this.choose(this.wanted);
    this.wanted = "";
  }

  draw({ files, truncated }) {
    const total = files.reduce((sum, file) => sum + file.size, 0);
    const number = `${files.length}${truncated ? " or more" : ""}`;
    this.count.textContent = files.length ? `${number}, ${size(total)}` : "";
    this.at("outputs-all").hidden = !files.length;
    const more = files.length - SHOWN;
    this.note.textContent = files.length ? "" : this.live ? "None yet." : this.note.dataset.none;
    if (more > 0) this.note.textContent = `${more} more are not shown; the archive has them.`;
    const shown = files.slice(0, SHOWN);
    this.files = new Map(shown.map((file) => [file.url, file]));
    this.tree.draw(shown);
    this.preview.refresh(this.files);
  }
}
