// The rows of the list: filled from sessions as the websocket sends them, kept in order.

import { showMarks } from "./marks.js";
import { refresh, setClock, setMoment } from "./time.js";

/** What a row is ordered by, newest greatest: time of creation, then id, out of its cursor. */
export function keyOf(cursor) {
  return cursor ? atob(cursor.replaceAll("-", "+").replaceAll("_", "/")) : "";
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setState(element, base, state) {
  const name = `${base} is-${state}`;
  if (element.className !== name) element.className = name;
}

/** The table's body, by session id. */
export class Rows {
  constructor(body, template) {
    this.body = body;
    this.template = template;
    this.byId = new Map();
    this.adopt();
  }

  /** Take over the rows that the server rendered. */
  adopt() {
    this.byId = new Map([...this.body.rows].map((row) => [row.dataset.id, row]));
  }

  has(id) {
    return this.byId.has(id);
  }

  get size() {
    return this.byId.size;
  }

  keys() {
    return [...this.body.rows].map((row) => keyOf(row.dataset.cursor));
  }

  lastCursor() {
    return this.body.lastElementChild?.dataset.cursor ?? "";
  }

  /** Ids of the rows in a state. */
  idsIn(status) {
    return [...this.byId].filter(([, row]) => row.dataset.status === status).map(([id]) => id);
  }

  /** Show a session's present values in its row. */
  update(session) {
    fill(this.byId.get(session.session_id), session);
  }

  /** Put sessions that have no row yet in their places. */
  insert(sessions) {
    const key = (item) => keyOf(item.cursor);
    const sorted = sessions.toSorted((a, b) => (key(a) < key(b) ? 1 : -1));
    let next = this.body.firstElementChild;
    for (const session of sorted) {
      while (next && keyOf(next.dataset.cursor) > key(session)) next = next.nextElementSibling;
      const row = this.template.content.firstElementChild.cloneNode(true);
      fill(row, session);
      row.classList.add("fresh");
      this.body.insertBefore(row, next);
      this.byId.set(session.session_id, row);
    }
  }

  remove(id) {
    this.byId.get(id)?.remove();
    this.byId.delete(id);
  }

  /** Keep the first `count` rows; says whether any went. */
  cut(count) {
    const surplus = [...this.body.rows].slice(count);
    for (const row of surplus) this.remove(row.dataset.id);
    return surplus.length > 0;
  }

  /** Show why a session waits, and until when. */
  explain(id, { summary, until }) {
    const row = this.byId.get(id);
    if (!row) return;
    setText(row.querySelector("[data-summary]"), summary);
    showMarks(row, { until: until ?? "" });
    refresh(row);
  }
}

function fill(row, session) {
  const at = (name) => row.querySelector(`[data-${name}]`);
  Object.assign(row.dataset, {
    id: session.session_id,
    cursor: session.cursor,
    status: session.status,
    priority: session.priority,
  });
  setState(at("badge"), "badge", session.status);
  setText(at("badge"), session.status);
  const link = at("title");
  setText(link, session.title);
  if (!link.getAttribute("href")) link.setAttribute("href", `/sessions/${session.session_id}/`);
  setText(at("short"), session.session_id.slice(0, 8));
  setText(at("summary"), session.summary);
  setState(at("priority-word"), "priority", session.priority);
  setText(at("priority-word"), session.priority);
  setText(at("owner"), session.owner || "–");
  at("owner").title = session.owner;
  setMoment(at("created"), session.created);
  setMoment(at("updated"), session.updated);
  showMarks(row, session.marks);
  setClock(at("duration"), session);
  refresh(row);
}
