// The rows of the list: filled from sessions as the websocket sends them, kept in order.

import { showMarks } from "./marks.js";
import { keyOf, placeOf } from "./order.js";
import { refresh, setClock, setMoment } from "./time.js";

// So many rows that come at once are marked as new; of more nobody could tell, and each costs frames.
const FEW = 5;

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setState(element, base, state) {
  const name = `${base} is-${state}`;
  if (element.className !== name) element.className = name;
}

/** The table's body, by session id; `order` is that of the list. */
export class Rows {
  constructor(body, template, order) {
    this.body = body;
    this.template = template;
    this.order = order;
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

  /** The place of the last row; null where there is none. */
  lastPlace() {
    return placeOf(this.body.lastElementChild?.dataset.key);
  }

  placeOf(id) {
    return placeOf(this.byId.get(id)?.dataset.key);
  }

  /** Ids of the rows in a state. */
  idsIn(status) {
    return [...this.byId].filter(([, row]) => row.dataset.status === status).map(([id]) => id);
  }

  /** Show a session's present values in its row, which stays where it is. */
  update(session) {
    fill(this.byId.get(session.session_id), session);
  }

  /** Put sessions in their places: new rows, or rows that have moved. */
  put(sessions) {
    const item = (session) => ({ session, place: this.order.place(session) });
    const sorted = sessions.map(item).toSorted((a, b) => this.order.compare(a.place, b.place));
    const focused = document.activeElement;
    for (const { session } of sorted) this.byId.get(session.session_id)?.remove();
    let next = this.body.firstElementChild;
    for (const { session, place } of sorted) {
      while (next && this.order.compare(placeOf(next.dataset.key), place) < 0) {
        next = next.nextElementSibling;
      }
      const row = this.byId.get(session.session_id) ?? this.made(session, sorted.length <= FEW);
      row.dataset.key = keyOf(place);
      this.body.insertBefore(row, next);
    }
    if (focused !== document.activeElement) focused?.focus?.({ preventScroll: true });
  }

  made(session, marked) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    fill(row, session);
    row.classList.toggle("fresh", marked);
    this.byId.set(session.session_id, row);
    return row;
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

  /** Show what a session uses and writes (views/sessions_list.figures). */
  measure(id, { cpu, memory, output_at: outputAt, line }) {
    const row = this.byId.get(id);
    if (!row) return;
    const at = (name) => row.querySelector(`[data-${name}]`);
    setText(at("cpu"), cpu || "–");
    setText(at("memory"), memory || "–");
    setText(at("line"), line);
    at("output").hidden = !outputAt;
    if (outputAt) setMoment(at("output"), outputAt);
    refresh(row);
  }
}

function fill(row, session) {
  const at = (name) => row.querySelector(`[data-${name}]`);
  const { session_id: id, status, priority } = session;
  Object.assign(row.dataset, { id, status, priority });
  setState(at("badge"), "badge", status);
  setText(at("badge"), status);
  const link = at("title");
  setText(link, session.title);
  if (!link.getAttribute("href")) link.setAttribute("href", `/sessions/${id}/`);
  const box = at("choose");
  if (box) {
    box.value = id;
    box.setAttribute("aria-label", `Choose ${session.title}`);
  }
  setText(at("short"), id.slice(0, 8));
  setText(at("summary"), session.summary);
  setState(at("priority-word"), "priority", priority);
  setText(at("priority-word"), priority);
  setText(at("owner"), session.owner || "–");
  at("owner").title = session.owner;
  setMoment(at("created"), session.created);
  setMoment(at("updated"), session.updated);
  showMarks(row, session.marks);
  setClock(at("duration"), session);
  refresh(row);
}
