// What a session uses and does, kept up to date by the telemetry stream while it runs.

import { drawProcesses } from "./processes.js";
import { Series } from "./series.js";
import { LiveSocket } from "./socket.js";
import { drawSwarm } from "./swarm.js";
import { facts, say } from "./words.js";

const ACTIVE = ["starting", "running"];

/** Fills the places below `root` (templates/parts/activity.html, resources.html and swarm.html). */
export class Telemetry {
  /** `jump(offset)` shows the log from there, and returns whether it could. */
  constructor(root, sessionId, jump) {
    this.root = root;
    this.id = sessionId;
    this.series = new Series(root, sessionId);
    this.processes = this.at("processes");
    this.processes.addEventListener("toggle", () => this.subscribe());
    this.at("errors-list").addEventListener("click", (event) => {
      const link = event.target.closest("[data-offset]");
      if (link && jump(Number(link.dataset.offset))) event.preventDefault();
    });
    this.socket = null;
    this.sampled = "";
    this.output = null;
  }

  at(name) {
    return this.root.querySelector(`[data-${name}]`);
  }

  /** The session's state, at first and at each change. */
  follow(status) {
    this.processes.hidden = status !== "running";
    if (!this.socket) this.series.read();
    if (!ACTIVE.includes(status) || this.socket) return;
    this.socket = new LiveSocket(() => "/ws/telemetry", {
      opened: () => this.opened(),
      text: (message) => this.take(message),
      state: () => {},
      aside: true,
    });
  }

  opened() {
    if (this.sampled) this.series.read(); // the line was lost for a while
    this.subscribe();
  }

  subscribe() {
    const words = ["resources", "activity", "swarm"];
    if (this.processes.open && !this.processes.hidden) {
      words.push("processes");
      say(this.at("processes-note"), "Looking …");
    }
    this.socket?.send({
      subscribe: { sessions: [this.id], parts: ["resources", "activity"], words, rate: 1 },
    });
  }

  take(message) {
    if (message.seq) this.socket.send({ ack: message.seq });
    if (message.type === "gone" || message.type === "error") this.socket.end(); // it was removed
    if (message.type !== "telemetry") return;
    this.root.dataset.telemetry = message.seq;
    const { resources, activity, words = {} } = message;
    this.output = activity?.bytes ?? this.output;
    const now = resources?.now;
    if (now && now.at !== this.sampled) {
      this.sampled = now.at;
      this.series.add(now, this.output);
    }
    if (words.resources) this.showResources(words.resources);
    if (words.activity) this.showActivity(words.activity);
    if (words.swarm) drawSwarm(this.root, words.swarm);
    if (words.processes) drawProcesses(this.root, words.processes);
    if (message.last) this.ended();
  }

  ended() {
    this.socket.end();
    this.processes.hidden = true;
    this.series.read();
  }

  showResources({ note, rows, disk, over }) {
    say(this.at("resources-note"), note);
    say(this.at("disk"), disk);
    this.at("figures-table").classList.toggle("is-over", over);
    this.at("figures-frame").hidden = !rows.length;
    this.at("figures").replaceChildren(
      ...rows.map((row) => {
        const line = document.createElement("tr");
        for (const key of ["label", "now", "peak", "total"]) {
          const cell = document.createElement(key === "label" ? "th" : "td");
          if (key === "label") cell.scope = "row";
          cell.textContent = row[key];
          line.append(cell);
        }
        return line;
      }),
    );
  }

  showActivity(words) {
    say(this.at("activity-note"), words.note);
    facts(this.at("activity-facts"), words.facts);
    this.at("errors").hidden = !words.errors_title;
    this.at("errors-title").textContent = words.errors_title;
    this.at("errors-list").replaceChildren(
      ...words.errors.map((error) => {
        const line = document.createElement("li");
        const link = document.createElement("a");
        link.href = `/api/v1/sessions/${this.id}/log?offset=${error.offset}`;
        link.dataset.offset = error.offset;
        link.title = "The log from here on";
        link.textContent = error.at;
        const text = document.createElement("code");
        text.textContent = error.text;
        line.append(link, " ", text);
        return line;
      }),
    );
  }
}
