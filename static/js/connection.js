// Whether the page is live: a dot in the top bar, a sign when the line is lost and when it is back.

import { setIcon } from "./page.js";

// A line that is back this soon was never worth a word.
const GRACE = 1200;
const BACK_FOR = 3000;

const WORDS = { connecting: "connecting", live: "live", lost: "not live", over: "closed" };

/** Shows the states of a LiveSocket. `icon` gives the page's icon while the line is up. */
export class Connection {
  constructor(icon) {
    this.icon = icon;
    this.state = "connecting";
    this.place = document.querySelector("[data-connection]");
    this.sign = document.querySelector("[data-lost]");
    this.timer = 0;
    this.place.hidden = false;
    this.show();
  }

  /** Take a new state. */
  set(state) {
    if (state === this.state) return;
    const before = this.state;
    this.state = state;
    this.show();
    if (state === "lost" && before !== "lost") this.later(() => this.announceLoss(), GRACE);
    if (state === "live" || state === "over") this.announceReturn();
  }

  show() {
    this.place.dataset.state = this.state;
    this.place.querySelector("[data-connection-text]").textContent = WORDS[this.state];
    document.documentElement.dataset.connection = this.state;
  }

  later(action, delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(action, delay);
  }

  announceLoss() {
    this.sign.textContent = "Connection lost. Trying to get it back …";
    this.sign.classList.remove("back");
    this.sign.hidden = false;
    setIcon("lost");
  }

  announceReturn() {
    clearTimeout(this.timer);
    setIcon(this.icon());
    if (this.sign.hidden || this.state === "over") {
      this.sign.hidden = true;
      return;
    }
    this.sign.textContent = "Connected again. Everything is up to date.";
    this.sign.classList.add("back");
    this.later(() => {
      this.sign.hidden = true;
    }, BACK_FOR);
  }

  /** The page's own icon changed. */
  refreshIcon() {
    if (this.state !== "lost") setIcon(this.icon());
  }
}
