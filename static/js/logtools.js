// The log's buttons: follow, wrap, times, messages, go to, copy, and what is said of a line.

import { addressOf, parsePlace, placeInAddress } from "./logplace.js";
import { toast } from "./page.js";
import { now } from "./time.js";

const number = new Intl.NumberFormat();
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // Storage may be off: then everything is as at first.
  }
}

function keep(name, on) {
  try {
    localStorage.setItem(name, on ? "on" : "off");
  } catch {
    // As above.
  }
}

/** `at(name)` finds an element; `view` is what they are for (see logview.js). */
export class LogTools {
  constructor(at, view) {
    this.at = at;
    this.view = view;
    this.note = at("log-said");
    this.place = at("log-place");
    const whenPressed = (name, action) => {
      at(name).hidden = false;
      at(name).addEventListener("click", action);
    };
    whenPressed("follow", () => view.follow(!view.following));
    whenPressed("wrap", () => this.wrap(!view.wrapped));
    whenPressed("log-times", () => this.showTimes(!view.times.on));
    whenPressed("log-find", () => view.search.open());
    whenPressed("log-copy", () => this.copy());
    at("log-messages").addEventListener("click", () => this.fold(!view.folded));
    const form = at("log-go");
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.go(form.querySelector("input").value);
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") view.box.focus();
    });
    view.box.addEventListener("click", (event) => this.pressed(event));
    addEventListener("hashchange", () => this.followAddress());
    this.wrap(kept("hive-wrap") !== "off");
    view.folded = kept("hive-messages") !== "off";
    this.press("log-messages", view.folded);
  }

  press(name, on) {
    this.at(name).setAttribute("aria-pressed", String(on));
  }

  say(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  /** The log has begun to come in: now a place in the address can be shown. */
  started() {
    if (this.begun) return;
    this.begun = true;
    this.followAddress();
    if (kept("hive-times") === "on") this.showTimes(true);
  }

  async followAddress() {
    const wish = placeInAddress(location.hash);
    if (!wish) return;
    this.tell(await this.view.goTo(wish));
  }

  async go(text) {
    const end = await this.whenWritten();
    const wish = parsePlace(text, end);
    if (!wish) {
      this.say("Ask for a line (1200), a time (14:05), a part (50 %), “byte 4096”, start or end.");
      return;
    }
    this.say("");
    this.view.box.focus({ preventScroll: true });
    this.tell(await this.view.goTo(wish));
  }

  /** The day that a time without one is of. */
  async whenWritten() {
    const { view } = this;
    const known = view.times.at(view.total);
    if (known !== null && view.times.marks.length) return new Date(known);
    const place = await view.reader.locate({ offset: view.total }).catch(() => null);
    return new Date(place?.time ? Date.parse(place.time) + 1000 : now());
  }

  askWhere() {
    this.at("log-go").querySelector("input").select();
  }

  /** A press on a line says where that is; text that is being selected, nothing. */
  async pressed(event) {
    const node = event.target.closest(".log-line");
    if (!node || event.target.closest("summary, a, button") || !getSelection().isCollapsed) return;
    const line = this.view.lines.get(node);
    if (!line) return;
    try {
      const place = await this.view.reader.locate({ offset: line.offset });
      this.view.mark(line.offset);
      this.tell(place);
    } catch (error) {
      this.say(error.message);
    }
  }

  /** Say of a place where it is, and how to come back to it. */
  tell(place) {
    if (!place) return;
    const facts = [
      place.line !== null && `Line ${number.format(place.line)}`,
      place.lines !== null && `of ${number.format(place.lines)}`,
      `· byte ${number.format(place.offset)}`,
      place.time && `· arrived about ${exact.format(new Date(place.time))}`,
    ];
    this.place.hidden = false;
    this.at("log-place-text").textContent = facts.filter(Boolean).join(" ");
    const address = addressOf(place);
    this.at("log-place-link").href = address;
    history.replaceState(history.state, "", address);
  }

  wrap(on) {
    const { view } = this;
    const change = () => {
      view.wrapped = on;
      view.box.classList.toggle("wrap", on);
    };
    if (view.following) change();
    else view.window.keeping(change);
    this.press("wrap", on);
    keep("hive-wrap", on);
    view.settle();
  }

  hasMessages() {
    this.at("log-messages").hidden = false;
  }

  fold(on) {
    const { view } = this;
    view.folded = on;
    this.press("log-messages", on);
    keep("hive-messages", on);
    this.redraw();
  }

  redraw() {
    const { view } = this;
    view.window.keeping(() => {
      view.window.redraw();
      view.live.nodes.forEach((node, i) => view.drawLine(node, view.live.screen.lines[i]));
    });
    view.settle();
  }

  async showTimes(on) {
    const { view } = this;
    view.times.on = on;
    view.box.classList.toggle("timed", on);
    this.press("log-times", on);
    keep("hive-times", on);
    this.say("");
    if (on) await this.stamp(view.window.first, view.live.attached ? Infinity : view.window.end);
    else this.redraw();
    if (on && !view.times.marks.length && view.total) {
      this.say("Nobody noted when this log was written.");
    }
  }

  /** Learn the times of a part, and show them. */
  async stamp(start, end) {
    try {
      await this.view.times.learn(start, end);
    } catch (error) {
      this.say(error.message);
    }
    for (const node of this.view.window.nodes()) {
      this.view.times.stamp(node, this.view.lines.get(node));
    }
    this.view.settle();
  }

  async copy() {
    const text = this.view.visibleText();
    try {
      await navigator.clipboard.writeText(text);
      toast("The lines in view were copied.");
    } catch {
      // No clipboard beyond localhost without TLS: select the lines instead.
      const nodes = this.view.window.visible();
      getSelection().setBaseAndExtent(nodes[0], 0, nodes.at(-1), nodes.at(-1).childNodes.length);
      toast("Press Ctrl+C: the lines in view are selected.");
    }
  }
}
