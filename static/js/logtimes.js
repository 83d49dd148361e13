// About when a line arrived: between the marks of the log's index, and of what came since.

import { now } from "./time.js";

const MOST_MARKS = 4000;
const EVERY = 1000;
// As the API takes it.
const MOST_BYTES = 64 * 1024 * 1024;
const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

/** Times of arrival of one log. */
export class LogTimes {
  constructor(reader) {
    this.reader = reader;
    this.marks = []; // [offset, milliseconds], ascending
    this.on = false;
    this.known = false; // whether the index was asked: what comes from then on is new
  }

  /** The log had reached a byte just now. */
  came(offset) {
    if (!this.known) return;
    const last = this.marks.at(-1);
    if (last && (offset <= last[0] || now() - last[1] < EVERY)) return;
    this.marks.push([offset, now()]);
    this.forget();
  }

  /** Ask for the times of a part of the log. */
  async learn(start, end) {
    const span = Math.min(Math.max(end - start, 1), MOST_BYTES);
    const place = await this.reader.locate({ offset: start }, span);
    this.known = true;
    const marks = place.marks.map(({ offset, time }) => [offset, Date.parse(time)]);
    if (!marks.length) return;
    const [low, high] = [marks[0][0], marks.at(-1)[0]];
    const others = this.marks.filter(([offset]) => offset < low || offset > high);
    this.marks = [...others, ...marks].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    this.forget();
  }

  forget() {
    if (this.marks.length > MOST_MARKS) this.marks.splice(0, this.marks.length - MOST_MARKS / 2);
  }

  /** Milliseconds since 1970, or null where nobody knows. */
  at(offset) {
    const { marks } = this;
    let [low, high] = [0, marks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (marks[middle][0] <= offset) low = middle + 1;
      else high = middle;
    }
    if (!low) return null;
    const [begin, earlier] = marks[low - 1];
    if (low === marks.length) return earlier;
    const [end, later] = marks[low];
    return earlier + ((later - earlier) * (offset - begin)) / (end - begin);
  }

  /** Put its time before a line, or take it away. */
  stamp(node, line) {
    const moment = this.on ? this.at(line.offset) : null;
    if (moment === null) delete node.dataset.at;
    else node.dataset.at = clock.format(moment);
  }
}
