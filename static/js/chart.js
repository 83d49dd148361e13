// A small line chart in SVG: axes with few ticks, a cursor for pointer and keyboard.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 132;
const EDGE = { top: 8, right: 10, bottom: 20, left: 58 };
// Steps of the axis of time, in seconds.
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 10800, 21600, 43200, 86400, 604800];
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const exact = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

function element(name, attributes, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

/** The next round figure (1, 2 or 5 and zeros) that is no less. */
function roundUp(value) {
  const zeros = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((digit) => digit * zeros).find((figure) => figure >= value * 0.9999);
}

/**
 * One chart in a <figure>.
 *
 * @param {HTMLElement} figure where it is drawn; its caption says what it shows.
 * @param {object} options `lines`: [{key, word}], the series and how each is called;
 *   `write(value)`: a value with its unit; `least`: the axis reaches at least this far.
 */
export class Chart {
  constructor(figure, { lines, write, least }) {
    Object.assign(this, { figure, lines, write, least });
    this.title = figure.querySelector("figcaption").firstChild.textContent.trim();
    this.at = [];
    this.data = {};
    this.cursor = null;
    this.svg = element("svg", { role: "img", tabindex: "0", height: HEIGHT, class: "chart-plot" });
    this.readout = document.createElement("output");
    this.readout.className = "chart-value";
    this.readout.setAttribute("aria-live", "off");
    figure.querySelector("figcaption").append(this.readout);
    figure.append(this.svg);
    this.svg.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.svg.addEventListener("pointerleave", () => this.move(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("blur", () => this.move(null));
    new ResizeObserver(() => this.draw()).observe(figure);
  }

  /** Show series of the same length: `at` in seconds since 1970, and one of values for each line. */
  show(at, data) {
    this.at = at;
    this.data = data;
    if (this.cursor !== null && this.cursor >= at.length) this.cursor = null;
    this.draw();
  }

  draw() {
    this.width = this.figure.clientWidth;
    const [first, last] = [this.at[0], this.at.at(-1)];
    const all = this.lines.flatMap(({ key }) => this.data[key] ?? []).filter((v) => v != null);
    if (!this.width) return;
    this.span = last - first || 1;
    this.top = roundUp(Math.max(this.least, ...all));
    this.svg.setAttribute("width", this.width);
    const plot = all.length ? this.lines.map((line, n) => this.line(line.key, n)) : [];
    this.svg.replaceChildren(...this.levels(), ...(all.length ? this.moments() : []), ...plot.flat());
    if (!all.length) this.svg.append(element("text", { x: this.width / 2, y: HEIGHT / 2, class: "chart-empty" }, "nothing measured yet"));
    this.marks = element("g", { class: "chart-cursor" });
    this.svg.append(this.marks);
    this.svg.setAttribute("aria-label", this.summary(all));
    this.showCursor();
  }

  x(moment) {
    return EDGE.left + ((moment - this.at[0]) / this.span) * (this.width - EDGE.left - EDGE.right);
  }

  y(value) {
    return HEIGHT - EDGE.bottom - (value / this.top) * (HEIGHT - EDGE.top - EDGE.bottom);
  }

  levels() {
    return [0, this.top / 2, this.top].flatMap((value) => {
      const y = this.y(value);
      return [
        element("line", { x1: EDGE.left, x2: this.width - EDGE.right, y1: y, y2: y, class: "chart-level" }),
        element("text", { x: EDGE.left - 6, y: y + 4, class: "chart-tick is-level" }, this.write(value)),
      ];
    });
  }

  moments() {
    const room = Math.max(2, Math.floor((this.width - EDGE.left) / 80));
    const step = STEPS.find((seconds) => this.span / seconds <= room) ?? this.span / room;
    const shift = new Date().getTimezoneOffset() * 60; // ticks at the reader's full hours
    const ticks = [];
    for (let t = Math.ceil((this.at[0] - shift) / step) * step + shift; t <= this.at.at(-1); t += step) {
      const x = this.x(t);
      if (x < EDGE.left + 14 || x > this.width - 20) continue;
      const format = step >= 86400 ? day : step < 60 ? exact : clock;
      ticks.push(element("text", { x, y: HEIGHT - 5, class: "chart-tick" }, format.format(t * 1000)));
    }
    if (ticks.length) return ticks;
    return [element("text", { x: EDGE.left, y: HEIGHT - 5, class: "chart-tick is-first" }, exact.format(this.at[0] * 1000))];
  }

  /** A line with gaps where nothing was measured, and below the first one an area. */
  line(key, number) {
    const runs = [[]];
    (this.data[key] ?? []).forEach((value, n) => {
      if (value == null) runs.push([]);
      else runs.at(-1).push([this.x(this.at[n]), this.y(value)]);
    });
    const kind = number ? "is-second" : "is-first";
    return runs.filter((run) => run.length).flatMap((run) => {
      const points = run.map((point) => point.map((figure) => figure.toFixed(1)).join(",")).join(" ");
      if (run.length === 1) {
        return [element("circle", { cx: run[0][0], cy: run[0][1], r: 2.5, class: `chart-dot ${kind}` })];
      }
      const base = this.y(0);
      const area = `${run[0][0]},${base} ${points} ${run.at(-1)[0]},${base}`;
      const line = element("polyline", { points, class: `chart-line ${kind}` });
      return number ? [line] : [element("polygon", { points: area, class: "chart-area" }), line];
    });
  }

  point(x) {
    let nearest = null;
    this.at.forEach((moment, n) => {
      if (nearest === null || Math.abs(this.x(moment) - x) < Math.abs(this.x(this.at[nearest]) - x)) nearest = n;
    });
    this.move(nearest);
  }

  key(event) {
    const end = this.at.length - 1;
    const from = this.cursor ?? end;
    const to = { ArrowLeft: from - (this.cursor === null ? 0 : 1), ArrowRight: from + 1, Home: 0, End: end, Escape: null }[event.key];
    if (to === undefined || end < 0) return;
    event.preventDefault();
    this.readout.setAttribute("aria-live", "polite"); // the keyboard asked for it
    this.move(to === null ? null : Math.min(Math.max(to, 0), end));
  }

  move(index) {
    if (index === null) this.readout.setAttribute("aria-live", "off");
    this.cursor = index;
    if (this.marks) this.showCursor();
  }

  showCursor() {
    const index = this.cursor ?? this.at.length - 1;
    this.marks.replaceChildren();
    this.readout.textContent = index < 0 ? "" : this.values(index) + (this.cursor === null ? "" : ` at ${this.moment(index)}`);
    if (this.cursor === null) return;
    const x = this.x(this.at[index]);
    this.marks.append(element("line", { x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }));
    for (const { key } of this.lines) {
      const value = this.data[key]?.[index];
      if (value != null) this.marks.append(element("circle", { cx: x, cy: this.y(value), r: 3.5 }));
    }
  }

  moment(index) {
    const text = exact.format(this.at[index] * 1000);
    return this.span > 86400 ? `${day.format(this.at[index] * 1000)} ${text}` : text;
  }

  values(index) {
    const said = ({ key, word }) => {
      const value = this.data[key]?.[index];
      return `${word ? `${word} ` : ""}${value == null ? "–" : this.write(value)}`;
    };
    return this.lines.map(said).join(", ");
  }

  summary(all) {
    if (!all.length) return `${this.title}: nothing measured yet`;
    const last = this.at.length - 1;
    return `${this.title} from ${this.moment(0)} to ${this.moment(last)}: at the end ${this.values(last)}, at most ${this.write(Math.max(...all))}. Arrow keys tell the values.`;
  }
}
