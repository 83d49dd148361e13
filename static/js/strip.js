// The strip above the list: what keeps sessions from starting, as the server tells it.

import { refresh, setMoment } from "./time.js";

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** `element` is the strip (templates/parts/strip.html); it is hidden while nothing is in the way. */
export class Strip {
  constructor(element) {
    this.element = element;
    this.brake = element.querySelector("[data-brake]");
    this.said = document.querySelector("[data-strip-said]");
    this.template = document.querySelector("[data-hold-template]");
    this.holds = new Map(
      [...element.querySelectorAll("[data-hold]")].map((line) => [line.dataset.hold, line]),
    );
    element.addEventListener("done", (event) => this.lifted(event.target));
  }

  /** Show `{brake, holds}` (queries.obstacles). Lines stay where they are: one may have the focus. */
  show({ brake, holds }) {
    const news = [];
    if (brake && this.brake.hidden) news.push(`Nothing new is started now: ${brake}.`);
    this.brake.hidden = !brake;
    setText(this.brake.querySelector("[data-brake-text]"), brake);
    const held = new Set(holds.map((hold) => hold.profile));
    for (const profile of [...this.holds.keys()]) if (!held.has(profile)) this.drop(profile);
    for (const hold of holds) {
      if (!this.holds.has(hold.profile)) {
        this.add(hold.profile);
        news.push(`Sessions of ${hold.profile} wait: its account’s usage limit was reached.`);
      }
      this.fill(this.holds.get(hold.profile), hold);
    }
    this.showOrHide();
    // Only what is new is said aloud: figures of memory change all the time.
    if (news.length) this.said.textContent = news.join(" ");
    refresh(this.element);
  }

  add(profile) {
    const line = this.template.content.firstElementChild.cloneNode(true);
    line.dataset.hold = profile;
    const lift = line.querySelector("[name=profile]"); // not there for who may not lift it
    if (lift) lift.value = profile;
    for (const place of line.querySelectorAll("[data-hold-profile]")) place.textContent = profile;
    this.holds.set(profile, line);
    this.element.append(line);
  }

  fill(line, hold) {
    setMoment(line.querySelector("time"), hold.until);
    line.querySelector("[data-hold-said]").hidden = !hold.session; // another's, which is private
    setText(line.querySelector("[data-hold-detail]"), hold.detail);
    const link = line.querySelector("[data-hold-session]");
    setText(link, hold.session.slice(0, 8));
    link.href = `/sessions/${hold.session}/`;
  }

  lifted(form) {
    this.drop(form.closest("[data-hold]").dataset.hold);
    this.showOrHide();
  }

  drop(profile) {
    const line = this.holds.get(profile);
    const focused = line.contains(document.activeElement);
    line.remove();
    this.holds.delete(profile);
    if (focused) document.getElementById("main").focus();
  }

  showOrHide() {
    this.element.hidden = this.brake.hidden && !this.holds.size;
  }
}
