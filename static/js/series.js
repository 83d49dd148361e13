// The charts of a session's resources: its series as the server has it, and what comes after.

import { Chart } from "./chart.js";
import { refused, signedOut, STAY } from "./identity.js";
import { size } from "./time.js";

const POINTS = 300;
// After so many samples the series is read again, so that the page keeps no more than that.
const AFRESH = 60;
const rate = (value) => `${size(value)}/s`;
const percent = (value) => `${Number(value.toFixed(value < 10 ? 1 : 0))} %`;

const CHARTS = {
  cpu: { lines: [{ key: "cpu_percent", word: "" }], write: percent, least: 10 },
  memory: { lines: [{ key: "memory_bytes", word: "" }], write: size, least: 1e6 },
  disk: {
    lines: [
      { key: "read_rate", word: "read" },
      { key: "written_rate", word: "written" },
    ],
    write: rate,
    least: 1000,
  },
  output: { lines: [{ key: "log_rate", word: "" }], write: rate, least: 100 },
};
const KEYS = Object.values(CHARTS).flatMap(({ lines }) => lines.map(({ key }) => key));

export class Series {
  constructor(root, sessionId) {
    this.place = root.querySelector("[data-charts]");
    this.url = `/api/v1/sessions/${sessionId}/metrics?points=${POINTS}`;
    this.at = [];
    this.data = {};
    this.added = 0;
    this.before = null;
    this.charts = null;
  }

  /** Read all of it. */
  async read() {
    this.added = 0;
    try {
      const response = await fetch(this.url, { ...STAY, headers: { Accept: "application/json" } });
      if (refused(response)) signedOut();
      if (!response.ok) return;
      const { series } = (await response.json()).resources;
      this.at = series.at ?? [];
      this.data = Object.fromEntries(KEYS.map((key) => [key, series[key] ?? []]));
    } catch {
      return; // The server is away: what is shown stays.
    }
    this.draw();
  }

  /** A sample that the stream told: `now` of the resources, and the bytes of output so far. */
  add(now, output) {
    const at = Date.parse(now.at) / 1000;
    const before = this.before;
    this.before = { at, output, read: now.read_bytes, written: now.written_bytes };
    if (this.at.length && at <= this.at.at(-1)) return;
    const grown = (name, value) => {
      if (!before || before[name] == null || value == null || at <= before.at) return null;
      return Math.max(0, value - before[name]) / (at - before.at);
    };
    const values = {
      cpu_percent: now.cpu_percent,
      memory_bytes: now.memory_bytes,
      read_rate: grown("read", now.read_bytes),
      written_rate: grown("written", now.written_bytes),
      log_rate: grown("output", output),
    };
    this.at.push(at);
    for (const key of KEYS) (this.data[key] ??= []).push(values[key]);
    this.added += 1;
    if (this.added >= AFRESH) this.read();
    else this.draw();
  }

  draw() {
    this.place.hidden = !this.at.length;
    if (!this.at.length) return;
    this.charts ??= [...this.place.querySelectorAll("[data-chart]")].map(
      (figure) => new Chart(figure, CHARTS[figure.dataset.chart]),
    );
    for (const chart of this.charts) chart.show(this.at, this.data);
  }
}
