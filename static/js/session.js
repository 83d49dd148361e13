// The page of one session, kept up to date: state, facts, timeline, log, output files.

import { Connection } from "./connection.js";
import { LogView } from "./logview.js";
import { Outputs } from "./outputs.js";
import { toast } from "./page.js";
import { LiveSocket } from "./socket.js";
import { refresh as refreshTimes, setMoment } from "./time.js";

// The log opens with its last bytes.
const TAIL = 64 * 1024;
const FINISHED = ["completed", "failed"];
const EMPTY_LOG = {
  created: "Nothing yet: this session has not been started.",
  starting: "Nothing yet: this session waits to be launched.",
  running: "Nothing yet: the run has not written anything.",
};

function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

async function problemOf(response) {
  try {
    return (await response.json()).detail;
  } catch {
    return `The server refused this (${response.status}). Reload the page and try again.`;
  }
}

class SessionPage {
  constructor(root) {
    this.root = root;
    this.id = root.dataset.session;
    this.title = root.dataset.title;
    this.status = root.dataset.status;
    this.event = Number(root.dataset.eventCursor);
    this.log = new LogView(root);
    this.log.explainEmptiness(EMPTY_LOG[this.status] ?? "Nothing was written.");
    this.outputs = new Outputs(root, this.id);
    this.outputs.keep(!FINISHED.includes(this.status));
    for (const form of root.querySelectorAll("[data-action]")) {
      form.addEventListener("submit", (event) => this.act(event, form));
    }
    this.connection = new Connection(() => this.status);
    this.showTitle();
    this.socket = new LiveSocket(() => this.path(), {
      text: (message) => this.take(message),
      binary: (buffer) => this.takeLog(buffer),
      state: (state) => this.connection.set(state),
    });
  }

  path() {
    const from = this.log.expected === null ? `tail=${TAIL}` : `offset=${this.log.expected}`;
    return `/ws/sessions/${this.id}?${from}&since=${this.event}`;
  }

  at(name) {
    return this.root.querySelector(`[data-${name}]`);
  }

  take(message) {
    if (message.type === "session") this.show(message.session, message.events);
    else if (message.type === "start") this.log.start(message.offset);
    else if (message.type === "cut") this.log.skipTo(message.offset);
    else if (message.type === "end") this.log.end();
    else if (message.type === "removed") this.removed();
  }

  takeLog(buffer) {
    const offset = Number(new DataView(buffer).getBigUint64(0));
    const next = this.log.add(offset, new Uint8Array(buffer, 8));
    if (next === null) this.socket.reconnect();
    else this.socket.send({ ack: next });
  }

  show(session, events) {
    const finished = FINISHED.includes(session.status);
    const changed = session.status !== this.status;
    this.status = this.root.dataset.status = session.status;
    const badge = this.at("badge");
    badge.className = `badge large is-${session.status}`;
    badge.textContent = session.status;
    this.showBanners(session);
    this.at("action=start").hidden = session.status !== "created";
    this.at("stop").hidden = finished || session.stopping;
    if (this.at("stop").hidden) document.getElementById("stop-confirm").hidePopover?.();
    this.showFacts(session, finished);
    this.showArguments(session.args);
    for (const event of events) this.showEvent(event);
    this.log.explainEmptiness(EMPTY_LOG[session.status] ?? "Nothing was written.");
    if (session.status === "running") this.log.grow();
    if (changed) this.outputs.keep(!finished);
    this.showTitle();
    refreshTimes(this.root);
  }

  showBanners(session) {
    const failed = this.at("banner=failed");
    failed.hidden = session.status !== "failed";
    this.at("ending").textContent = session.ending;
    this.at("evidence").textContent = session.evidence;
    this.at("evidence").hidden = !session.evidence;
    const finished = FINISHED.includes(session.status);
    this.at("banner=waiting").hidden = finished || !session.summary;
    this.at("summary").textContent = capitalised(session.summary);
  }

  showFacts(session, finished) {
    const facts = { ...session, ending: finished ? session.ending : "" };
    for (const element of this.root.querySelectorAll("[data-fact]")) {
      const value = facts[element.dataset.fact] ?? "";
      const row = element.closest("[data-fact-row]");
      if (row) row.hidden = value === "";
      if (element.tagName === "TIME") setMoment(element, value);
      else element.textContent = value;
    }
    const clock = this.at("duration");
    clock.dataset.from = session.started ?? "";
    clock.dataset.to = session.ended ?? "";
  }

  showArguments(values) {
    this.at("no-args").hidden = values.length > 0;
    const list = this.at("args");
    if (list.children.length === values.length) return;
    list.replaceChildren(
      ...values.map((value) => {
        const item = document.createElement("li");
        item.appendChild(document.createElement("code")).textContent = value;
        return item;
      }),
    );
  }

  showEvent(event) {
    this.event = Math.max(this.event, event.id);
    if (this.root.querySelector(`[data-event="${event.id}"]`)) return;
    const item = document.createElement("li");
    item.dataset.event = event.id;
    item.className = `is-${event.kind}`;
    const time = document.createElement("time");
    time.dataset.clock = "";
    setMoment(time, event.at);
    const words = document.createElement("span");
    words.textContent = event.text;
    item.append(time, words);
    this.at("events").append(item);
  }

  showTitle() {
    document.title = `${this.status} · ${this.title.slice(0, 60)} · hiveweb`;
    this.connection.refreshIcon();
  }

  removed() {
    this.at("banner=removed").hidden = false;
    this.at("banner=waiting").hidden = true;
    this.at("action=start").hidden = true;
    this.at("stop").hidden = true;
    this.outputs.keep(false);
  }

  async act(event, form) {
    event.preventDefault();
    document.getElementById("stop-confirm").hidePopover?.();
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
      const response = await fetch(form.action, {
        method: "POST",
        body: new FormData(form),
        headers: { Accept: "application/json" },
      });
      if (!response.ok) toast(await problemOf(response));
      else if (form.dataset.action === "stop") toast("Stop requested.");
    } catch {
      toast("The server could not be reached. Nothing was changed; try again.");
    } finally {
      button.disabled = false;
    }
  }
}

new SessionPage(document.querySelector("[data-session]"));
