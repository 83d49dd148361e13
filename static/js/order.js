// The order of the list, as the server has it (sessions_app/orders.py): a row's place is its stretch,
// its number there, and its id.

const PRIORITIES = ["high", "medium", "low"];
const STATES = ["created", "starting", "running", "completed", "failed"];

/** A place out of a row's data-key: "0 1795651543251000 0b8f3a52-…"; null for none. */
export function placeOf(key) {
  if (!key) return null;
  const [stretch, number, id] = key.split(" ");
  return { stretch: Number(stretch), number: Number(number), id };
}

/** A place as a row's data-key has it. */
export function keyOf({ stretch, number, id }) {
  return `${stretch} ${number} ${id}`;
}

/** One of the server's sorts, by its name. */
export class Order {
  constructor(sort) {
    this.sort = sort;
    this.name = sort.replace("-", "");
    this.backwards = sort.startsWith("-");
    const words = { priority: PRIORITIES, state: STATES }[this.name];
    this.words = this.backwards ? words?.toReversed() : words;
  }

  /** Whether a page can put rows in order by itself: how long something runs changes always. */
  get known() {
    return this.name !== "duration";
  }

  /** A session's place, out of its exact times; null where a page cannot know it. */
  place({ session_id: id, times, priority, status }) {
    const [created, updated, ended] = times;
    if (!this.known) return null;
    if (this.words) {
      const stretch = this.words.indexOf(this.name === "state" ? status : priority);
      return { stretch, number: created, id };
    }
    if (this.name === "ended") {
      return ended === null
        ? { stretch: 1, number: created, id }
        : { stretch: 0, number: ended, id };
    }
    return { stretch: 0, number: this.name === "updated" ? updated : created, id };
  }

  /** Negative where place `a` stands before place `b`. */
  compare(a, b) {
    if (a.stretch !== b.stretch) return a.stretch - b.stretch;
    const upwards = a.number - b.number || (a.id < b.id ? -1 : Number(a.id > b.id));
    // What has no end, and each priority and state, comes newest first.
    const falling = Boolean(this.words) || a.stretch > 0 || this.backwards;
    return falling ? -upwards : upwards;
  }

  /** The cursor of the page that begins behind a place. */
  cursor(place) {
    const text = btoa(`${this.sort} ${keyOf(place)}`);
    return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }
}
