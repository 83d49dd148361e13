// A session's timeline: what happened, the time between, and a bar of all its times.

import { brief, now as serverNow, setMoment } from "./time.js";
import { made } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
// As presentation/timeline.py has them.
const BAR = 1000;
const NARROWEST = 4;

function moment(value, kind) {
  const time = document.createElement("time");
  time.dataset[kind] = "";
  setMoment(time, value);
  return time;
}

function line({ id, kind, at, text, span, more }) {
  const item = document.createElement("li");
  item.dataset.event = id;
  item.className = `is-${kind}`;
  item.append(moment(at, "clock"));
  if (more.length) {
    const details = document.createElement("details");
    const list = made("ol", "", "timeline");
    list.append(...more.map(line));
    details.append(made("summary", text), list);
    item.append(details);
  } else item.append(made("span", text));
  if (span) {
    const words = made("span", span.text, `span is-${span.name}`);
    if (span.from) words.append(" ", moment(span.from, "lasting"));
    item.append(words);
  }
  return item;
}

/** A time as the server has drawn it. */
function known(element) {
  const { name, seconds, open } = element.dataset;
  return { name, seconds: Number(seconds), open: open !== undefined };
}

/** Fills the places of templates/parts/timeline.html. */
export class Timeline {
  constructor(root) {
    this.events = root.querySelector("[data-events]");
    this.times = root.querySelector("[data-times]");
    this.bar = this.times.querySelector("[data-times-bar]");
    this.list = this.times.querySelector("[data-times-list]");
    this.told = serverNow();
    this.totals = [...this.list.children].map((item) => ({ word: item.dataset.word, ...known(item) }));
    this.parts = [...this.bar.children].map(known);
    this.open = this.totals.some((total) => total.open);
    setInterval(() => {
      if (!document.hidden && this.open) this.drawTimes();
    }, 1000);
  }

  show({ items, totals, bar }) {
    const unfolded = new Set(
      [...this.events.querySelectorAll("details[open]")].map((d) => d.parentNode.dataset.event),
    );
    this.events.replaceChildren(...items.map(line));
    for (const item of this.events.children) {
      const details = item.querySelector("details");
      if (details && unfolded.has(item.dataset.event)) details.open = true;
    }
    this.told = serverNow();
    this.totals = totals;
    this.parts = bar;
    this.open = totals.some((total) => total.open);
    this.drawTimes();
  }

  drawTimes() {
    const since = (serverNow() - this.told) / 1000;
    const now = (one) => one.seconds + (one.open ? since : 0);
    this.times.hidden = !this.totals.length;
    this.list.replaceChildren(
      ...this.totals.map((total) => {
        const item = made("li", `${total.word} `, `is-${total.name}`);
        item.append(made("strong", brief(now(total))));
        return item;
      }),
    );
    const whole = this.parts.reduce((sum, part) => sum + now(part), 0) || 1;
    const widths = this.parts.map((part) => Math.max(NARROWEST, (BAR * now(part)) / whole));
    const scale = BAR / (widths.reduce((sum, width) => sum + width, 0) || 1);
    let x = 0;
    this.bar.replaceChildren(
      ...this.parts.map((part, n) => {
        const rect = document.createElementNS(SVG, "rect");
        const width = widths[n] * scale;
        for (const [name, value] of Object.entries({ x, y: 0, width, height: 10 })) {
          rect.setAttribute(name, value);
        }
        rect.setAttribute("class", `is-${part.name}`);
        x += width;
        return rect;
      }),
    );
  }
}
