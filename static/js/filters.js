// Which sessions belong on this page of the list, as the server decides it (sessions_app/filters.py).

import { Order, placeOf } from "./order.js";
import { now } from "./time.js";

function lowerAscii(text) {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** Whether all hold; undefined where none fails and one cannot be told. */
function all(answers) {
  if (answers.includes(false)) return false;
  return answers.includes(undefined) ? undefined : true;
}

/** The filters of the page's address, and the stretch of the list that the page shows. */
export class Filters {
  /** `told` is what views/sessions_list.py says of them; `after` the place the page begins behind. */
  constructor(told, after) {
    this.told = told;
    this.order = new Order(told.sort);
    this.text = lowerAscii(told.text);
    this.digits = this.text.replaceAll("-", "");
    if (!/^[0-9a-f]{4,32}$/.test(this.digits)) this.digits = null;
    this.after = placeOf(after);
  }

  /** Whether the page is the first one. */
  get first() {
    return !this.after;
  }

  /** Whether a session fits the filters; undefined when what is told of it cannot tell. */
  matches(session) {
    const { status, priority, owner, reason, swarm, pool, node, metadata, times } = this.told;
    if (status && session.status !== status) return false;
    if (priority && session.priority !== priority) return false;
    if (owner && session.owner !== owner) return false;
    if (reason && session.reason !== reason) return false;
    if (pool && session.pool !== pool) return false;
    if (node && session.node !== node) return false;
    return all([
      this.hasText(session),
      !swarm || (session.swarm_id === undefined ? undefined : session.swarm_id === swarm),
      ...metadata.map(([key, value]) => hasMetadata(session, key, value)),
      ...times.map((bound) => inTime(session, bound)),
    ]);
  }

  hasText(session) {
    if (!this.text || lowerAscii(session.task).includes(this.text)) return true;
    const id = session.session_id.replaceAll("-", "");
    if (this.digits && id.startsWith(this.digits)) return true;
    return session.cut ? undefined : false;
  }

  /** Whether a place lies in the stretch that ends with the place `below` (null: the list's end). */
  covers(place, below) {
    const behind = this.first || this.order.compare(place, this.after) > 0;
    return behind && (!below || this.order.compare(place, below) <= 0);
  }
}

function hasMetadata({ metadata, cut }, key, wanted) {
  if (metadata === null && cut) return undefined;
  if (!metadata || !Object.hasOwn(metadata, key)) return false;
  const value = metadata[key];
  if (wanted === null) return true;
  if (typeof value === "string" || typeof value === "boolean" || value === null) {
    return String(value) === wanted;
  }
  if (typeof value === "number" && Number(wanted) !== value) return false;
  // Large numbers, fractions and nested values are written in more ways than one.
  return Number.isSafeInteger(value) && String(value) === wanted ? true : undefined;
}

function inTime({ times }, { of, lower, ago, at }) {
  const moment = times[of === "created" ? 0 : 2];
  if (moment === null) return false;
  const bound = at ?? now() - ago;
  return lower ? moment / 1000 >= bound : moment / 1000 < bound;
}
