// The command palette: one field to go anywhere, to find a session, to act on the one that is shown.

import { open, setUpDialog } from "./dialog.js";
import { keyCaps } from "./help.js";
import { caps, register } from "./keys.js";
import { offers, sessions } from "./offers.js";

// Somebody who types is not asked for between two letters (milliseconds).
const SETTLED = 180;
const SHORTEST = 2;

class Palette {
  constructor(dialog) {
    this.dialog = dialog;
    this.input = dialog.querySelector("[data-palette-input]");
    this.list = dialog.querySelector("[data-palette-list]");
    this.said = dialog.querySelector("[data-palette-said]");
    this.note = dialog.querySelector("[data-palette-note]");
    this.shown = [];
    this.found = { for: "", offers: [], problem: "" };
    this.chosen = 0;
    this.timer = 0;
    this.asked = null;
    setUpDialog(dialog);
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => {
      const item = event.target.closest("[role=option]");
      if (item) this.take(Number(item.dataset.place), event);
    });
    dialog.addEventListener("close", () => {
      if (!dialog.open) this.stop(); // the event comes late: it may be open again
    });
  }

  open() {
    this.input.value = "";
    this.found = { for: "", offers: [], problem: "" };
    this.show();
    open(this.dialog);
    this.input.focus();
  }

  stop() {
    clearTimeout(this.timer);
    this.asked?.abort();
    this.asked = null;
  }

  get text() {
    return this.input.value.trim();
  }

  typed() {
    this.stop();
    this.chosen = 0;
    if (this.text.length >= SHORTEST) this.timer = setTimeout(() => this.ask(), SETTLED);
    this.show();
  }

  async ask() {
    const text = this.text;
    const asked = (this.asked = new AbortController());
    try {
      const { offers: list, problem } = await sessions(text, asked.signal);
      if (this.asked !== asked) return;
      this.found = { for: text, offers: list, problem };
      this.asked = null;
      this.show();
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }

  show() {
    const looking = this.text.length >= SHORTEST && this.found.for !== this.text;
    // What was found for fewer letters stays until the answer is there: nothing jumps.
    const found = this.text.length >= SHORTEST ? this.found.offers : [];
    const before = this.shown[this.chosen];
    this.shown = [...offers(this.text), ...found];
    const same = this.shown.findIndex((o) => before && o.label === before.label && o.href === before.href);
    this.chosen = this.chosen && same >= 0 ? same : 0;
    this.list.replaceChildren(...this.groups());
    this.mark();
    const { problem } = this.found;
    let note = looking ? "Looking for sessions …" : problem;
    if (!note && !this.shown.length) note = `Nothing is called “${this.text}”, and no session has it.`;
    this.note.textContent = note;
    this.note.hidden = !note;
    if (looking) return;
    const count = this.shown.length;
    this.said.textContent = note || `${count} ${count === 1 ? "entry" : "entries"}`;
  }

  groups() {
    const made = new Map();
    for (const [place, offer] of this.shown.entries()) {
      if (!made.has(offer.group)) {
        const group = document.createElement("div");
        group.setAttribute("role", "group");
        group.setAttribute("aria-label", offer.group);
        const title = document.createElement("div");
        title.className = "palette-group";
        title.setAttribute("aria-hidden", "true");
        title.textContent = offer.group;
        group.append(title);
        made.set(offer.group, group);
      }
      made.get(offer.group).append(this.option(offer, place));
    }
    return made.values();
  }

  option(offer, place) {
    const item = document.createElement("div");
    item.id = `palette-${place}`;
    item.setAttribute("role", "option");
    item.dataset.place = place;
    const label = document.createElement("span");
    label.className = "palette-label";
    label.textContent = offer.label;
    item.append(label);
    if (offer.note) {
      const note = document.createElement("span");
      note.className = `palette-note${offer.status ? ` is-${offer.status}` : ""}`;
      note.textContent = offer.note;
      item.append(note);
    }
    if (offer.keys) {
      const keys = document.createElement("span");
      keys.className = "palette-keys";
      keys.setAttribute("aria-hidden", "true");
      keys.append(...keyCaps(offer.keys));
      item.append(keys);
    }
    return item;
  }

  mark() {
    for (const item of this.list.querySelectorAll("[role=option]")) {
      const here = Number(item.dataset.place) === this.chosen;
      item.setAttribute("aria-selected", String(here));
      if (here) item.scrollIntoView({ block: "nearest" });
    }
    if (this.shown.length) this.input.setAttribute("aria-activedescendant", `palette-${this.chosen}`);
    else this.input.removeAttribute("aria-activedescendant");
  }

  key(event) {
    // Once closed, the keyboard may still be here for a moment.
    if (event.isComposing || !this.dialog.open) return;
    const last = this.shown.length - 1;
    const steps = {
      ArrowDown: this.chosen === last ? 0 : this.chosen + 1,
      ArrowUp: this.chosen === 0 ? last : this.chosen - 1,
      PageDown: Math.min(this.chosen + 8, last),
      PageUp: Math.max(this.chosen - 8, 0),
    };
    if (event.key in steps) {
      event.preventDefault();
      this.chosen = Math.max(0, steps[event.key]);
      this.mark();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.take(this.chosen, event);
    } else if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.dialog.close();
    }
  }

  take(place, { ctrlKey, metaKey }) {
    const offer = this.shown[place];
    if (!offer) return;
    this.dialog.close();
    if (offer.run) offer.run();
    else if (ctrlKey || metaKey) window.open(offer.href, "_blank", "noopener");
    else location.assign(offer.href);
  }
}

/** Make it ready: its key, and the buttons that open it. */
export function setUpPalette() {
  const dialog = document.querySelector("[data-palette]");
  if (!dialog) return;
  const palette = new Palette(dialog);
  const label = "Search and commands";
  register({ keys: "mod+k", label, group: "Anywhere", command: false, run: () => palette.open() });
  for (const button of document.querySelectorAll("[data-open-palette]")) {
    button.querySelector("[data-palette-keys]")?.replaceChildren(caps("mod+k").join(" "));
    button.title = `${label} (${caps("mod+k").join("+")})`;
    button.hidden = false;
    button.addEventListener("click", () => palette.open());
  }
}
