// The overview, kept up to date: the server sends the parts that changed, as it would render them.

import { Connection } from "./connection.js";
import { morph } from "./morph.js";
import "./page.js";
import { LiveSocket } from "./socket.js";
import { refresh } from "./time.js";

const hourFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** Hours in the reader's zone: below the charts, and what is said of a bar. */
function showHours(root) {
  for (const element of root.querySelectorAll("[data-hour]")) {
    element.textContent = hourFormat.format(new Date(element.getAttribute("datetime")));
  }
  for (const element of root.querySelectorAll("[data-hour-words]")) {
    const from = new Date(element.dataset.from);
    const to = new Date(from.getTime() + 3_600_000);
    element.textContent = `${element.dataset.hourWords}, ${hourFormat.format(from)} to ${hourFormat.format(to)}`;
  }
}

class Overview {
  constructor(root) {
    this.root = root;
    this.parts = new Map(
      [...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]),
    );
    this.first = root.querySelector("[data-first]");
    this.said = document.querySelector("[data-said]");
    const { running, attention, total } = root.dataset;
    this.counts = { running: Number(running), attention: Number(attention), total: Number(total) };
    this.connection = new Connection(() => this.icon());
    showHours(root);
    this.socket = new LiveSocket(() => "/ws/overview", {
      text: (message) => this.take(message),
      state: (state) => this.connection.set(state),
      outdated: () => this.connection.outdated(),
    });
  }

  take(message) {
    if (message.type !== "overview") return;
    this.socket.send({ ack: message.seq });
    this.counts = message;
    const before = this.matters();
    for (const [name, html] of Object.entries(message.parts)) {
      const part = this.parts.get(name);
      if (!part) continue;
      morph(part, html);
      refresh(part);
      showHours(part);
    }
    if (message.parts.attention !== undefined) this.announce(before);
    this.first.hidden = message.total > 0;
    this.showTitle();
  }

  /** What needs attention, by key. */
  matters() {
    const items = this.parts.get("attention").querySelectorAll(".attention-item");
    return new Map([...items].map((item) => [item.dataset.key, item]));
  }

  /** Only what is new is said aloud. */
  announce(before) {
    const news = [...this.matters()].filter(([key]) => !before.has(key));
    if (!news.length) return;
    const words = news.map(([, item]) => {
      const sign = item.querySelector(".attention-sign").textContent;
      return `${sign}: ${item.querySelector(".attention-what").textContent.trim()}`;
    });
    this.said.textContent = words.join(". ");
  }

  icon() {
    if (this.counts.attention) return "failed";
    return this.counts.running ? "running" : "idle";
  }

  showTitle() {
    const { running, attention } = this.counts;
    let state = running ? `${running} running · ` : "";
    if (attention) state = `${attention} need${attention === 1 ? "s" : ""} attention · `;
    document.title = `${state}Overview · hiveweb`;
    this.connection.refreshIcon();
  }
}

new Overview(document.querySelector("[data-overview]"));
