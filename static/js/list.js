// The list of sessions, kept up to date: rows change in place, come and go as their sessions do.

import { setUpActions } from "./actions.js";
import { Connection } from "./connection.js";
import { Filters } from "./filters.js";
import { refused, signedOut, STAY } from "./identity.js";
import "./page.js";
import { Painter } from "./painter.js";
import { Rows } from "./rows.js";
import { LiveSocket } from "./socket.js";
import { Strip } from "./strip.js";
import { refresh as refreshTimes } from "./time.js";

// Rows do not move under a pointer that moved this recently (milliseconds).
const STEADY = 900;
const REFETCH_PAUSE = 1500;

class List {
  constructor(element) {
    this.element = element;
    this.table = element.querySelector("[data-table]");
    const template = document.querySelector("[data-row-template]");
    this.rows = new Rows(element.querySelector("[data-rows]"), template);
    this.filters = new Filters(element.dataset);
    this.strip = new Strip(document.querySelector("[data-strip]"));
    this.cursor = Number(element.dataset.eventCursor);
    this.nextCursor = element.dataset.nextCursor;
    this.pageSize = Number(element.dataset.pageSize);
    this.frames = [];
    this.painter = new Painter(() => this.draw());
    this.coming = new Map(); // sessions that have no row yet and will get one
    this.leaving = new Set(); // ids of rows that will go
    this.sinceRefetch = null;
    this.pointerMoved = -STEADY;
    this.watched = "";
    this.counts = this.shownCounts();
    this.held = element.querySelector("[data-held]");
    this.held.addEventListener("click", () => this.settle());
    this.table.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") this.pointerMoved = performance.now();
    });
    this.table.addEventListener("pointerleave", () => {
      this.pointerMoved = -STEADY;
      this.painter.request();
    });
    this.connection = new Connection(() => (this.counts.running ? "running" : "idle"));
    this.showCounts(this.counts);
    this.socket = new LiveSocket(() => `/ws/sessions?since=${this.cursor}`, {
      opened: () => this.watch(true),
      text: (message) => this.take(message),
      state: (state) => this.connection.set(state),
      outdated: () => this.connection.outdated(),
    });
  }

  take(message) {
    if (message.cursor !== undefined) {
      this.cursor = message.cursor;
      this.socket.send({ ack: message.cursor });
    }
    if (message.type === "reset") this.refetch();
    if (message.type === "queue") this.strip.show(message);
    if (message.type === "changes" || message.type === "waiting" || message.type === "reset") {
      this.frames.push(message);
      this.sinceRefetch?.push(message);
      this.painter.request();
    }
  }

  draw() {
    const frames = this.frames.splice(0);
    for (const frame of frames) {
      if (frame.counts) this.showCounts(frame.counts);
      for (const session of frame.sessions ?? []) this.place(session);
      for (const id of frame.removed ?? []) this.drop(id);
      for (const [id, waiting] of Object.entries(frame.waiting ?? {})) {
        if (waiting) this.rows.explain(id, waiting);
      }
    }
    const steady = performance.now() - this.pointerMoved > STEADY;
    if (steady) this.settle();
    else this.hold();
  }

  place(session) {
    const id = session.session_id;
    const fits = this.filters.matches(session);
    if (this.rows.has(id)) {
      this.rows.update(session);
      if (fits === false) this.leaving.add(id);
      else this.leaving.delete(id);
    } else if (fits && this.filters.covers(session, this.nextCursor)) {
      this.coming.set(id, session);
    } else {
      this.coming.delete(id);
      if (fits === undefined) this.refetchSoon();
    }
  }

  drop(id) {
    this.coming.delete(id);
    if (this.rows.has(id)) this.leaving.add(id);
  }

  /** Rows are not moved now: say what waits to be shown. */
  hold() {
    const waiting = this.coming.size + this.leaving.size;
    this.held.hidden = !waiting;
    this.held.textContent =
      this.coming.size === waiting ? `Show ${waiting} new` : `Show ${waiting} changes`;
    if (!waiting) {
      this.watch();
      return;
    }
    clearTimeout(this.steadyTimer);
    this.steadyTimer = setTimeout(() => this.painter.request(), STEADY);
  }

  /** Let rows come and go. */
  settle() {
    this.held.hidden = true;
    for (const id of this.leaving) this.rows.remove(id);
    this.rows.insert([...this.coming.values()]);
    const fewer = this.leaving.size > 0;
    this.leaving.clear();
    this.coming.clear();
    if (this.filters.first && this.rows.cut(this.pageSize)) this.showNext(this.rows.lastCursor());
    if (fewer && this.nextCursor && this.rows.size < this.pageSize / 2) this.refetchSoon();
    this.showEmptiness();
    this.watch();
  }

  /** Tell the server whose places in the queue are shown; they change without their rows. */
  watch(afresh = false) {
    const ids = this.rows.idsIn("starting").slice(0, 200);
    const key = ids.join();
    if (key === this.watched && !(afresh && key)) return;
    this.watched = key;
    this.socket?.send({ watch: ids });
  }

  shownCounts() {
    const chips = document.querySelectorAll("[data-chips] [data-status]");
    return Object.fromEntries(
      [...chips].map((chip) => [
        chip.dataset.status,
        Number(chip.querySelector("[data-count]").textContent),
      ]),
    );
  }

  showCounts(counts) {
    this.counts = counts;
    this.total = 0;
    for (const chip of document.querySelectorAll("[data-chips] [data-status]")) {
      const status = chip.dataset.status;
      if (status) this.total += counts[status] ?? 0;
    }
    for (const chip of document.querySelectorAll("[data-chips] [data-status]")) {
      const count = chip.dataset.status ? (counts[chip.dataset.status] ?? 0) : this.total;
      const place = chip.querySelector("[data-count]");
      place.textContent = count;
      place.toggleAttribute("data-some", count > 0);
    }
    const { running } = counts;
    document.title = `${running ? `${running} running · ` : ""}Sessions · hiveweb`;
    this.connection.refreshIcon();
  }

  showNext(cursor) {
    this.nextCursor = cursor;
    const link = this.element.querySelector("[data-next]");
    const url = new URL(link.href);
    url.searchParams.set("cursor", cursor);
    link.href = url.pathname + url.search;
    link.hidden = !cursor;
  }

  showEmptiness() {
    const { status, priority, text, owner, cursor } = this.element.dataset;
    const narrowed = Boolean(status || priority || text || owner || cursor);
    const empty = this.rows.size === 0;
    this.table.hidden = empty;
    const first = !narrowed && !this.total;
    this.element.querySelector("[data-empty-filtered]").hidden = !empty || first;
    this.element.querySelector("[data-empty]").hidden = !empty || !first;
  }

  refetchSoon() {
    this.refetchTimer ??= setTimeout(() => {
      this.refetchTimer = undefined;
      this.refetch();
    }, REFETCH_PAUSE);
  }

  /** Read the page afresh, then apply again what was told meanwhile. */
  async refetch() {
    if (this.sinceRefetch) return;
    this.sinceRefetch = [];
    try {
      const response = await fetch(location.href, { ...STAY, headers: { Accept: "text/html" } });
      if (refused(response)) {
        signedOut();
        return;
      }
      if (!response.ok) throw new Error(`status ${response.status}`);
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.querySelector("[data-list]");
      this.coming.clear();
      this.leaving.clear();
      this.rows.body.replaceChildren(...fresh.querySelector("[data-rows]").rows);
      this.rows.adopt();
      this.showNext(fresh.dataset.nextCursor);
      refreshTimes(this.rows.body);
      this.frames.push(...this.sinceRefetch);
      this.painter.request();
    } catch {
      this.refetchSoon();
    } finally {
      this.sinceRefetch = null;
    }
  }
}

// An address that could not be understood shows what is wrong with it, and no list.
setUpActions();
const place = document.querySelector("[data-list]");
if (place) new List(place);
