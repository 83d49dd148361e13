// The page of one session, kept up to date: state, facts, timeline, log, output files.

import { setUpActions } from "./actions.js";
import { ChangeForm } from "./change.js";
import { Connection } from "./connection.js";
import { Deeds } from "./deeds.js";
import { Facts } from "./facts.js";
import { Failure } from "./failure.js";
import { LogView } from "./logview.js";
import { Outputs } from "./outputs.js";
import { showMarks } from "./marks.js";
import "./page.js";
import { LiveSocket } from "./socket.js";
import { sessionTitle, setTitle } from "./tab.js";
import { Telemetry } from "./telemetry.js";
import { refresh as refreshTimes } from "./time.js";
import { Timeline } from "./timeline.js";

// The log opens with its last bytes (as templates/session.html has it).
const TAIL = 16 * 1024;
const FINISHED = ["completed", "failed"];
const EMPTY_LOG = {
  created: "Nothing yet: this session has not been started.",
  starting: "Nothing yet: this session waits to be launched.",
  running: "Nothing yet: the run has not written anything.",
};

// Buttons that take each other's place.
const OPPOSITE = { pause: "resume", resume: "pause", pin: "unpin", unpin: "pin" };

function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

class SessionPage {
  constructor(root) {
    this.root = root;
    this.id = root.dataset.session;
    this.title = root.dataset.title;
    this.status = root.dataset.status;
    this.word = this.at("mark=paused").hidden ? this.status : "paused";
    this.facts = new Facts(root);
    this.change = new ChangeForm(this.at("change"));
    this.event = Number(root.dataset.eventCursor);
    this.log = new LogView(root);
    this.explainEmptyLog(this.at("log-note").textContent);
    this.outputs = new Outputs(root, this.id);
    this.outputs.keep(!FINISHED.includes(this.status));
    const jump = (offset) => {
      this.log.goTo(offset).then((place) => this.log.tools.tell(place)); // into the address, too
      return true;
    };
    this.failure = new Failure(root, this.id, jump);
    this.timeline = new Timeline(root);
    this.deeds = new Deeds(root, this.id);
    this.telemetry = new Telemetry(root, this.id, jump);
    this.telemetry.follow(this.status);
    setUpActions();
    this.connection = new Connection(() => this.word);
    this.showTitle();
    this.socket = new LiveSocket(() => this.path(), {
      text: (message) => this.take(message),
      binary: (buffer) => this.takeLog(buffer),
      state: (state) => this.connection.set(state),
      outdated: () => this.connection.outdated(),
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
    if (message.type === "session") this.show(message.session, message);
    else if (message.type === "start") this.log.start(message.offset);
    else if (message.type === "cut") this.log.skipTo(message.offset);
    else if (message.type === "end") this.log.end();
    else if (message.type === "away") this.tellAway(message.detail);
    else if (message.type === "removed") this.removed();
  }

  /** Why nothing comes of the log; empty once it comes again. */
  tellAway(detail) {
    const note = this.at("log-away");
    note.hidden = !detail;
    note.textContent = detail && `Waiting for the log: ${detail}.`;
  }

  takeLog(buffer) {
    const offset = Number(new DataView(buffer).getBigUint64(0));
    const next = this.log.add(offset, new Uint8Array(buffer, 8));
    if (next === null) this.socket.reconnect();
    else this.socket.acknowledge(next);
  }

  show(session, { events, timeline }) {
    const finished = FINISHED.includes(session.status);
    const changed = session.status !== this.status;
    this.status = this.root.dataset.status = session.status;
    this.word = session.marks.paused ? "paused" : session.status;
    const badge = this.at("badge");
    badge.className = `badge large is-${session.status}`;
    if (badge.textContent !== session.status) badge.textContent = session.status;
    showMarks(this.root, session.marks);
    this.showBanners(session, finished);
    this.showActions(session.actions);
    this.deeds.show(session.deeds);
    this.change.show(session);
    this.facts.show({ ...session, ending: finished ? session.ending : "" });
    for (const event of events) this.event = Math.max(this.event, event.id);
    if (timeline) this.timeline.show(timeline);
    this.explainEmptyLog(session.log_note);
    if (session.status === "running") this.log.grow();
    if (changed) this.outputs.keep(!finished);
    if (changed) this.telemetry.follow(session.status);
    this.showTitle();
    refreshTimes(this.root);
  }

  explainEmptyLog(note) {
    this.log.explainEmptiness(note || (EMPTY_LOG[this.status] ?? "Nothing was written."));
  }

  showBanners(session, finished) {
    this.failure.show(session);
    this.at("banner=waiting").hidden = finished || !session.summary;
    this.at("summary").textContent = capitalised(session.summary);
  }

  /** Show what can be asked for; the keyboard stays where the buttons are. */
  showActions(actions) {
    const place = this.at("actions");
    const focused = place.contains(document.activeElement) ? document.activeElement : null;
    for (const form of place.querySelectorAll("[data-action]")) {
      form.hidden = !actions.includes(form.dataset.action);
    }
    this.at("stop").hidden = !actions.includes("stop");
    for (const [name, asks] of Object.entries({ stop: "stop-confirm", cleanup: "cleanup-confirm" })) {
      if (!actions.includes(name)) document.getElementById(asks).hidePopover?.();
    }
    const gone = focused?.closest("[hidden]");
    if (!gone) return;
    const shown = [...place.querySelectorAll("button")].filter((b) => !b.closest("[hidden]"));
    const opposite = place.querySelector(`[data-action=${OPPOSITE[gone.dataset.action]}] button`);
    const next = shown.includes(opposite) ? opposite : shown[0];
    (next ?? this.root.querySelector("h1")).focus();
  }

  showTitle() {
    setTitle(sessionTitle(this.word, this.title));
    this.connection.refreshIcon();
  }

  removed() {
    this.at("banner=removed").hidden = false;
    this.at("banner=waiting").hidden = true;
    this.showActions([]);
    this.deeds.gone("It was cleaned up.");
    for (const link of this.root.querySelectorAll("[data-needs-session]")) link.hidden = true;
    this.at("change").hidden = true;
    this.outputs.keep(false);
  }
}

new SessionPage(document.querySelector("[data-session]"));
