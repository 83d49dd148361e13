// The list of sessions, kept up to date: rows change in place, come, go and move as sessions do.

import { setUpActions } from "./actions.js";
import { BulkBar } from "./bulk.js";
import { setUpColumns } from "./columns.js";
import { Connection } from "./connection.js";
import { Counts } from "./counts.js";
import { Figures } from "./figures.js";
import { Filters } from "./filters.js";
import { refused, signedOut, STAY } from "./identity.js";
import "./page.js";
import { Painter } from "./painter.js";
import { Rows } from "./rows.js";
import { LiveSocket } from "./socket.js";
import { Strip } from "./strip.js";
import { ListTab } from "./tab.js";
import { refresh as refreshTimes } from "./time.js";
import { setUpViews } from "./views.js";

// Rows do not move under a pointer that moved this recently (milliseconds).
const STEADY = 900;
// In a burst, more than so many rows move together and so often only (milliseconds).
const FEW = 5;
const BURST_PAUSE = 600;
// A page that has to be read afresh is, so long after the first change that asks for it.
const REFETCH_PAUSE = 1500;
const REFETCH_UNORDERED_PAUSE = 5000;

class List {
  constructor(element) {
    this.element = element;
    this.table = element.querySelector("[data-table]");
    const template = document.querySelector("[data-row-template]");
    this.filters = new Filters(JSON.parse(element.dataset.told), element.dataset.after);
    this.order = this.filters.order;
    this.rows = new Rows(element.querySelector("[data-rows]"), template, this.order);
    this.figures = new Figures(this.rows);
    this.selection = new BulkBar(element);
    this.counts = new Counts();
    this.strip = new Strip(document.querySelector("[data-strip]"));
    this.cursor = Number(element.dataset.eventCursor);
    this.pageSize = Number(element.dataset.pageSize);
    this.below = element.dataset.nextCursor ? this.rows.lastPlace() : null;
    this.painter = new Painter(() => this.draw());
    // What was told since the last frame: of each session only the last of it.
    this.told = new Map();
    this.toldWaiting = new Map();
    this.coming = new Map(); // sessions that will get a row, or their row another place
    this.leaving = new Set(); // ids of rows that will go
    this.sinceRefetch = null;
    this.pointerMoved = -STEADY;
    this.settled = 0;
    this.watched = "";
    this.held = element.querySelector("[data-held]");
    this.held.addEventListener("click", () => this.settle());
    this.table.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") this.pointerMoved = performance.now();
    });
    this.table.addEventListener("pointerleave", () => {
      this.pointerMoved = -STEADY;
      this.painter.request();
    });
    this.tab = new ListTab(this.counts.now, () => this.connection.refreshIcon());
    this.connection = new Connection(() => this.tab.icon);
    this.showCounts(this.counts.now);
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
      this.socket.acknowledge(message.cursor);
    }
    if (message.type === "reset") this.refetch();
    if (message.type === "queue") this.strip.show(message);
    if (message.type === "changes" || message.type === "waiting" || message.type === "reset") {
      this.sinceRefetch?.push(message);
      this.absorb(message);
    }
  }

  absorb({ counts, sessions, removed, waiting }) {
    this.toldCounts = counts ?? this.toldCounts;
    for (const session of sessions ?? []) this.told.set(session.session_id, session);
    for (const id of removed ?? []) this.told.set(id, null);
    for (const [id, place] of Object.entries(waiting ?? {})) this.toldWaiting.set(id, place);
    this.painter.request();
  }

  draw() {
    if (this.toldCounts) this.showCounts(this.toldCounts);
    this.toldCounts = undefined;
    for (const [id, session] of this.told) {
      if (session) this.place(session);
      else this.drop(id);
    }
    this.told.clear();
    for (const [id, place] of this.toldWaiting) if (place) this.rows.explain(id, place);
    this.toldWaiting.clear();
    this.bound();
    const now = performance.now();
    if (now - this.pointerMoved <= STEADY) this.hold();
    else if (this.coming.size + this.leaving.size <= FEW || now - this.settled > BURST_PAUSE) {
      this.settle();
    } else this.settleLater();
  }

  place(session) {
    const id = session.session_id;
    const fits = this.filters.matches(session);
    const shown = this.rows.has(id);
    if (shown) {
      this.rows.update(session);
      this.figures.changed(id);
    }
    this.coming.delete(id);
    this.leaving.delete(id);
    if (fits === undefined && !shown) this.refetchSoon();
    if (fits === false) {
      if (shown) this.leaving.add(id);
      return;
    }
    if (!this.order.known) {
      this.refetchSoon(REFETCH_UNORDERED_PAUSE);
      return;
    }
    const place = this.order.place(session);
    if (shown && this.order.compare(place, this.rows.placeOf(id)) === 0) return;
    if (this.filters.covers(place, this.below)) {
      if (shown || fits) this.coming.set(id, session);
    } else if (shown) this.leaving.add(id);
  }

  drop(id) {
    this.coming.delete(id);
    if (this.rows.has(id)) this.leaving.add(id);
  }

  /** While rows are held, only so many wait as the page could show; the others are on the next. */
  bound() {
    if (this.coming.size <= 2 * this.pageSize || !this.filters.first) return;
    const place = (session) => this.order.place(session);
    const sorted = [...this.coming.values()].toSorted((a, b) =>
      this.order.compare(place(a), place(b)),
    );
    for (const session of sorted.slice(this.pageSize)) {
      this.coming.delete(session.session_id);
      if (this.rows.has(session.session_id)) this.leaving.add(session.session_id);
    }
  }

  /** Rows are not moved now: say what waits to be shown. */
  hold() {
    const fresh = [...this.coming.keys()].filter((id) => !this.rows.has(id)).length;
    const waiting = this.coming.size + this.leaving.size;
    this.held.hidden = !waiting;
    this.held.textContent = fresh === waiting ? `Show ${waiting} new` : `Show ${waiting} changes`;
    if (!waiting) {
      this.watch();
      return;
    }
    clearTimeout(this.steadyTimer);
    this.steadyTimer = setTimeout(() => this.painter.request(), STEADY);
  }

  /** Many rows move at once, time and again: nobody can read them in between. */
  settleLater() {
    this.burstTimer ??= setTimeout(() => {
      this.burstTimer = undefined;
      this.painter.request();
    }, BURST_PAUSE);
  }

  /** Let rows come, go and move. */
  settle() {
    this.settled = performance.now();
    this.held.hidden = true;
    for (const id of this.leaving) this.rows.remove(id);
    this.rows.put([...this.coming.values()]);
    const fewer = this.leaving.size > 0;
    const moved = fewer || this.coming.size > 0;
    this.leaving.clear();
    this.coming.clear();
    if (this.filters.first && this.rows.cut(this.pageSize)) {
      this.below = this.rows.lastPlace();
      this.showNext(this.order.cursor(this.below));
    }
    if (fewer && this.below && this.rows.size < this.pageSize / 2) this.refetchSoon();
    if (moved) {
      this.showEmptiness();
      this.selection.rowsChanged();
    }
    this.figures.ask();
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

  showCounts(counts) {
    this.counts.show(counts);
    this.tab.show(counts);
    this.connection.refreshIcon();
  }

  showNext(cursor) {
    const link = this.element.querySelector("[data-next]");
    const url = new URL(link.href);
    url.searchParams.set("cursor", cursor);
    link.href = url.pathname + url.search;
    link.hidden = !cursor;
  }

  showEmptiness() {
    const narrowed = this.element.hasAttribute("data-narrowed");
    const empty = this.rows.size === 0;
    this.table.hidden = empty;
    const first = !narrowed && !this.counts.total;
    this.element.querySelector("[data-empty-filtered]").hidden = !empty || first;
    this.element.querySelector("[data-empty]").hidden = !empty || !first;
  }

  refetchSoon(pause = REFETCH_PAUSE) {
    this.refetchTimer ??= setTimeout(() => {
      this.refetchTimer = undefined;
      this.refetch();
    }, pause);
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
      this.below = fresh.dataset.nextCursor ? this.rows.lastPlace() : null;
      this.showNext(fresh.dataset.nextCursor);
      this.showEmptiness();
      this.selection.rowsChanged();
      refreshTimes(this.rows.body);
      for (const message of this.sinceRefetch) this.absorb(message);
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
setUpColumns();
setUpViews();
const place = document.querySelector("[data-list]");
if (place) new List(place);
