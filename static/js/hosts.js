// The hosts, kept up to date: the page is asked for again every few seconds, and what differs changes.

import { Connection } from "./connection.js";
import { onSignedOut, refused, signedOut, STAY } from "./identity.js";
import { morph } from "./morph.js";
import "./page.js";
import { RETRY, RETRY_NOW } from "./socket.js";
import { refresh } from "./time.js";

const EVERY = 3000;
// An answer that takes longer than this will not come.
const PATIENCE = 15_000;
const parser = new DOMParser();

class Hosts {
  constructor(root) {
    this.root = root;
    this.timer = 0;
    this.asking = false;
    this.heard = Date.now();
    this.connection = new Connection(() => "idle");
    onSignedOut(() => this.end());
    document.addEventListener(RETRY_NOW, () => this.ask());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.ask();
    });
    this.connection.set("live");
    this.later();
  }

  later() {
    clearTimeout(this.timer);
    if (!this.over) this.timer = setTimeout(() => this.ask(), EVERY);
  }

  async ask() {
    clearTimeout(this.timer);
    if (this.over || this.asking || document.hidden) return; // a page that is seen again asks at once
    this.asking = true;
    try {
      const response = await fetch(location.href, { ...STAY, signal: AbortSignal.timeout(PATIENCE) });
      if (refused(response)) signedOut();
      else if (response.ok) this.take(await response.text());
      else this.lost();
    } catch {
      this.lost();
    }
    this.asking = false;
    this.later();
  }

  take(html) {
    const fresh = parser.parseFromString(html, "text/html").querySelector("[data-hosts]");
    if (!fresh) {
      this.lost();
      return;
    }
    this.heard = Date.now();
    // Whoever is about to answer a question is not interrupted.
    if (!this.root.querySelector(".confirm:popover-open")) {
      morph(this.root, fresh.innerHTML);
      refresh(this.root);
    }
    this.connection.set("live");
  }

  lost() {
    this.connection.set("lost");
    const detail = { at: Date.now() + EVERY, heard: this.heard };
    document.dispatchEvent(new CustomEvent(RETRY, { detail }));
  }

  end() {
    this.over = true;
    clearTimeout(this.timer);
    this.connection.set("out");
  }
}

const root = document.querySelector("[data-hosts]");
if (root) new Hosts(root);
