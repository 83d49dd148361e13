// Whether the page is live: a dot in the top bar, a sign when the line is lost and when it is back.

import { ask, wayIn } from "./identity.js";
import { setIcon } from "./page.js";

// A line that is back this soon was never worth a word.
const GRACE = 1200;
const BACK_FOR = 3000;

const WORDS = {
  connecting: "connecting",
  live: "live",
  lost: "not live",
  over: "closed",
  out: "signed out",
};

/** Shows the states of a LiveSocket. `icon` gives the page's icon while the line is up. */
export class Connection {
  constructor(icon) {
    this.icon = icon;
    this.state = "connecting";
    this.changed = false;
    this.place = document.querySelector("[data-connection]");
    this.sign = document.querySelector("[data-lost]");
    this.timer = 0;
    this.place.hidden = false;
    this.show();
  }

  /** Take a new state. */
  set(state) {
    if (state === this.state || this.state === "out") return;
    const before = this.state;
    this.state = state;
    this.show();
    if (state === "lost" && before !== "lost") this.later(() => this.announceLoss(), GRACE);
    if (state === "live" || state === "over") this.announceReturn();
    if (state === "out") this.announceOut();
  }

  /** The reader is another one now, or may do other things: the page was made for what was. */
  outdated() {
    this.changed = true;
    if (this.state === "live") this.announceReturn();
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

  say(text, back = false) {
    this.sign.textContent = text;
    this.sign.classList.toggle("back", back);
    this.sign.hidden = false;
  }

  lead(word, address) {
    const link = document.createElement("a");
    link.href = address;
    link.textContent = word;
    this.sign.append(" ", link);
  }

  announceLoss() {
    this.say("Connection lost. Trying to get it back …");
    setIcon("lost");
  }

  announceOut() {
    clearTimeout(this.timer);
    this.say("You are signed out. This page does not change any more.");
    this.lead("Sign in", wayIn());
    setIcon("lost");
    // Whoever signed in meanwhile, in another tab, finds this one as they left it.
    document.addEventListener("visibilitychange", async () => {
      if (!document.hidden && (await ask()) === "in") location.reload();
    });
  }

  announceReturn() {
    clearTimeout(this.timer);
    setIcon(this.icon());
    if (this.state === "live" && this.changed) {
      this.say("What you may do here has changed.", true);
      this.lead("Reload the page", location.href);
      return;
    }
    if (this.sign.hidden || this.state === "over") {
      this.sign.hidden = true;
      return;
    }
    this.say("Connected again. Everything is up to date.", true);
    this.later(() => {
      this.sign.hidden = true;
    }, BACK_FOR);
  }

  /** The page's own icon changed. */
  refreshIcon() {
    if (this.state !== "lost" && this.state !== "out") setIcon(this.icon());
  }
}
