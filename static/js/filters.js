// Which sessions belong on this page of the list, as the server decides it in queries.find.

import { keyOf } from "./rows.js";

function lowerAscii(text) {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** The filters of the page's address, and the stretch of the list that the page shows. */
export class Filters {
  constructor(dataset) {
    this.status = dataset.status;
    this.priority = dataset.priority;
    this.owner = dataset.owner;
    this.text = lowerAscii(dataset.text);
    this.digits = this.text.replaceAll("-", "");
    if (!/^[0-9a-f]{4,32}$/.test(this.digits)) this.digits = null;
    this.above = keyOf(dataset.cursor);
  }

  /** Whether the page is the first one, which new sessions appear on. */
  get first() {
    return !this.above;
  }

  /** Whether a session fits the filters; undefined when its shortened task cannot tell. */
  matches(session) {
    if (this.status && session.status !== this.status) return false;
    if (this.priority && session.priority !== this.priority) return false;
    if (this.owner && session.owner !== this.owner) return false;
    if (!this.text || lowerAscii(session.task).includes(this.text)) return true;
    const id = session.session_id.replaceAll("-", "");
    if (this.digits && id.startsWith(this.digits)) return true;
    return session.cut ? undefined : false;
  }

  /** Whether a session lies in the stretch that ends with the row `below` (a cursor or ""). */
  covers(session, below) {
    const key = keyOf(session.cursor);
    return (this.first || key < this.above) && (!below || key >= keyOf(below));
  }
}
