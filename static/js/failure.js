// The evidence of a failure, above everything else (templates/parts/failure.html).

import { facts, made, say } from "./words.js";

export class Failure {
  /** `jump(offset)` shows the log from there, and returns whether it could. */
  constructor(root, sessionId, jump) {
    this.place = root.querySelector("[data-banner=failed]");
    this.id = sessionId;
    this.at("failure-list").addEventListener("click", (event) => {
      const link = event.target.closest("[data-offset]");
      if (link && jump(Number(link.dataset.offset))) event.preventDefault();
    });
  }

  at(name) {
    return this.place.querySelector(`[data-${name}]`);
  }

  show({ status, ending, evidence, failure }) {
    this.place.hidden = status !== "failed";
    this.at("ending").textContent = ending;
    say(this.at("evidence"), evidence);
    if (!failure) return;
    say(this.at("why"), failure.why);
    facts(this.at("failure-facts"), failure.facts);
    this.at("failure-title").textContent = failure.lines_title;
    this.at("failure-lines").hidden = !failure.lines.length;
    const text = JSON.stringify(failure.lines);
    if (text !== this.shown) this.at("failure-list").replaceChildren(...failure.lines.map((line) => this.line(line)));
    this.shown = text;
    this.at("failure-next").hidden = false;
    this.at("next-text").textContent = failure.next.text;
    const link = this.at("next-link");
    if (link) link.textContent = failure.next.label;
  }

  line({ offset, at, text }) {
    const item = document.createElement("li");
    const link = made("a", at);
    link.href = `/api/v1/sessions/${this.id}/log?offset=${offset}`;
    link.dataset.offset = offset;
    link.title = "The log from here on";
    item.append(link, " ", made("code", text));
    return item;
  }
}
