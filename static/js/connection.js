// Whether the page is live: a dot in the top bar, a banner when the line is lost and when it is back.

import { ask, wayIn } from "./identity.js";
import { RETRY, RETRY_NOW } from "./socket.js";
import { setIcon } from "./tab.js";
import { when } from "./time.js";

// A line that is back this soon was never worth a word.
const GRACE = 2000;
const BACK_FOR = 4000;
// A countdown from less than this only flickers.
const WORTH_COUNTING = 1500;

const WORDS = {
  connecting: "connecting",
  live: "live",
  interrupted: "connecting",
  lost: "not live",
  over: "closed",
  out: "signed out",
};
const MEANING = {
  connecting: "Connecting to the server",
  live: "This page changes by itself, as soon as something happens",
  interrupted: "Connecting to the server again",
  lost: "What is shown may be out of date: the connection to the server is lost",
  over: "Nothing changes here any more",
  out: "What is shown may be out of date: you are signed out",
};

/** Shows the states of a LiveSocket. `icon` gives the page's icon while the line is up. */
export class Connection {
  constructor(icon) {
    this.icon = icon;
    this.state = "connecting";
    this.changed = false;
    this.place = document.querySelector("[data-connection]");
    this.sign = document.querySelector("[data-lost]");
    this.said = document.querySelector("[data-lost-said]");
    this.timer = 0;
    this.counting = 0;
    this.retry = { at: Date.now(), heard: Date.now() };
    document.addEventListener(RETRY, ({ detail }) => {
      this.retry = detail;
      this.count();
    });
    window.addEventListener("offline", () => this.count());
    window.addEventListener("online", () => this.count());
    this.place.hidden = false;
    this.show();
  }

  /** Take a new state. */
  set(state) {
    if (state === this.state || this.state === "out") return;
    if (state === "lost" && this.state === "interrupted") return;
    const early = state === "lost" ? "interrupted" : state;
    this.state = early;
    this.show();
    if (early === "interrupted") this.later(() => this.announceLoss(), GRACE);
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
    this.place.title = MEANING[this.state];
    this.place.querySelector("[data-connection-text]").textContent = WORDS[this.state];
    document.documentElement.dataset.connection = this.state;
  }

  later(action, delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(action, delay);
  }

  /** Show a text in the banner, and have it read out once; what is added later is not. */
  say(text, back = false) {
    clearInterval(this.counting);
    this.sign.replaceChildren(text);
    this.sign.classList.toggle("back", back);
    this.sign.hidden = false;
    this.said.textContent = text;
  }

  hide() {
    const focused = this.sign.contains(document.activeElement);
    this.sign.hidden = true;
    this.said.textContent = "";
    if (focused) document.getElementById("main").focus({ preventScroll: true });
  }

  lead(word, address) {
    const link = document.createElement("a");
    link.href = address;
    link.textContent = word;
    this.sign.append(" ", link);
  }

  announceLoss() {
    this.state = "lost";
    this.show();
    setIcon("lost");
    this.say(`Connection lost. What you see is as of ${when(this.retry.heard)}.`);
    if (this.retry.at === null) {
      this.lead("Reload the page", location.href);
      return;
    }
    const line = document.createElement("span");
    line.className = "lost-next";
    this.next = line.appendChild(document.createElement("span"));
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button small";
    button.textContent = "Try now";
    button.addEventListener("click", () => document.dispatchEvent(new Event(RETRY_NOW)));
    line.append(button);
    this.sign.append(line);
    this.count();
    this.counting = setInterval(() => this.count(), 1000);
  }

  /** When it is tried again. */
  count() {
    if (this.state !== "lost" || !this.next?.isConnected) return;
    const left = this.retry.at - Date.now();
    let words = "Trying again …";
    if (!navigator.onLine) words = "This device is offline.";
    else if (left > WORTH_COUNTING) words = `Trying again in ${Math.round(left / 1000)} s`;
    if (this.next.textContent !== words) this.next.textContent = words;
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
    clearInterval(this.counting);
    setIcon(this.icon());
    if (this.state === "live" && this.changed) {
      this.say("What you may do here has changed.", true);
      this.lead("Reload the page", location.href);
      return;
    }
    if (this.sign.hidden || this.state === "over") {
      this.hide();
      return;
    }
    const focused = this.sign.contains(document.activeElement);
    this.say("Connected again. Everything is up to date.", true);
    if (focused) document.getElementById("main").focus({ preventScroll: true });
    this.later(() => this.hide(), BACK_FOR);
  }

  /** The page's own icon changed. */
  refreshIcon() {
    if (this.state !== "lost" && this.state !== "out") setIcon(this.icon());
  }
}
