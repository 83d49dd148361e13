// Many sessions at once: choosing rows, what will be done to them, and what became of each.

import { occupied } from "./dialog.js";
import { refused, signedOut, STAY } from "./identity.js";
import { toast } from "./page.js";

const ENDPOINT = "/api/v1/sessions/bulk";
// Of a long list of results so many are shown; the others are counted.
const SHOWN = 200;
const WORDS = {
  stop: { ask: (what) => `Stop ${what}`, doing: "Stopping", done: "Stopped or being stopped", danger: true },
  retry: { ask: (what) => `Retry ${what}`, doing: "Retrying", done: "Retried" },
  pin: { ask: (what) => `Pin ${what}`, doing: "Pinning", done: "Pinned" },
  unpin: { ask: (what) => `Unpin ${what}`, doing: "Unpinning", done: "Unpinned" },
  cleanup: {
    ask: (what) => `Clean up ${what}`,
    doing: "Cleaning up",
    done: "Cleaned up",
    danger: true,
  },
};

function sessions(count) {
  return `${count.toLocaleString()} session${count === 1 ? "" : "s"}`;
}

/** The bar below the list, the boxes in its rows, and the dialog that asks and tells. */
export class BulkBar {
  constructor(list) {
    this.list = list;
    this.bar = document.querySelector("[data-bulk]");
    if (!this.bar) return; // whoever reads may change nothing
    this.chosen = new Set();
    this.everything = false;
    this.page = document.querySelector("[data-choose-page]");
    this.dialog = document.querySelector("[data-bulk-dialog]");
    this.bar.querySelector("[data-all-field]").hidden = true;
    list.addEventListener("click", (event) => this.clicked(event));
    this.page.addEventListener("change", () => this.choosePage(this.page.checked));
    this.bar.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask(event.submitter.value);
    });
    this.at("everything").addEventListener("click", () => this.chooseEverything());
    this.at("clear").addEventListener("click", () => this.clear());
    this.dialog.addEventListener("close", () => this.at("clear").focus());
    document.addEventListener("keydown", (event) => {
      // An Escape that closes a dialog or folds something away leaves what is chosen.
      const elsewhere = occupied() || event.defaultPrevented || event.target.closest?.("details");
      if (event.key === "Escape" && !elsewhere && this.count) this.clear();
    });
    window.addEventListener("pageshow", () => this.read());
    this.read();
  }

  at(name) {
    return this.bar.querySelector(`[data-${name}]`);
  }

  get boxes() {
    return [...this.list.querySelectorAll("[data-rows] [data-choose]")];
  }

  get count() {
    return this.everything ? Infinity : this.chosen.size;
  }

  /** A browser may have kept what was chosen before the page was left. */
  read() {
    for (const box of this.boxes) if (box.checked) this.chosen.add(box.value);
    this.show();
  }

  clicked(event) {
    const box = event.target.closest("[data-choose]");
    if (!box) return;
    const { boxes } = this;
    const from = boxes.indexOf(this.last);
    const to = boxes.indexOf(box);
    const range = event.shiftKey && from >= 0 ? boxes.slice(Math.min(from, to), Math.max(from, to) + 1) : [box];
    for (const each of range) this.mark(each, box.checked);
    this.last = box;
    this.everything = false;
    this.show();
  }

  mark(box, on) {
    box.checked = on;
    if (on) this.chosen.add(box.value);
    else this.chosen.delete(box.value);
  }

  choosePage(on) {
    for (const box of this.boxes) this.mark(box, on);
    this.everything = false;
    this.show();
  }

  chooseEverything() {
    this.choosePage(true);
    this.everything = true;
    this.show();
  }

  clear() {
    const focused = this.bar.contains(document.activeElement);
    this.chosen.clear();
    this.everything = false;
    for (const box of this.boxes) box.checked = false;
    this.show();
    if (!focused) return; // the bar goes; the keyboard goes on where it was in the list
    (this.last?.isConnected ? this.last : document.getElementById("main")).focus({ preventScroll: true });
  }

  /** Rows came and went: what is chosen stays chosen. */
  rowsChanged() {
    if (!this.bar) return;
    for (const box of this.boxes) box.checked = this.everything || this.chosen.has(box.value);
    this.show();
  }

  show() {
    const { boxes } = this;
    const on = boxes.filter((box) => box.checked).length;
    // Classes, since ":has" would make every change of a row cost the whole page's styles.
    for (const box of boxes) box.closest("tr").classList.toggle("chosen", box.checked);
    document.documentElement.toggleAttribute("data-choosing", this.count > 0);
    this.page.checked = on > 0 && on === boxes.length;
    this.page.indeterminate = on > 0 && on < boxes.length;
    this.bar.classList.toggle("open", this.count > 0);
    this.at("chosen").textContent = this.everything
      ? "All that match are chosen"
      : `${sessions(this.chosen.size)} chosen`;
    this.at("everything").hidden = this.everything || !this.page.checked;
  }

  wish(action, ids, dryRun) {
    const told = JSON.parse(this.list.dataset.filter);
    const which = ids ? { ids } : { filter: told };
    return { action, ...which, dry_run: dryRun };
  }

  async send(wish) {
    try {
      const response = await fetch(ENDPOINT, {
        ...STAY,
        method: "POST",
        body: JSON.stringify(wish),
        headers: { Accept: "application/json", "Content-Type": "application/json" },
      });
      if (refused(response)) {
        signedOut();
        throw new Error("You are signed out.");
      }
      const answer = await response.json();
      if (!response.ok) throw new Error(`${answer.detail}.`);
      return answer;
    } catch (error) {
      const lost = error instanceof TypeError;
      toast(lost ? "The server could not be reached. Look again at what was done." : error.message);
      return null;
    }
  }

  /** Ask what would be done, and show it with the question. */
  async ask(action) {
    if (this.busy) return;
    this.busy = true;
    const chosen = this.everything ? null : [...this.chosen];
    const answer = await this.send(this.wish(action, chosen, true));
    this.busy = false;
    if (!answer) return;
    const words = WORDS[action];
    const { would } = answer.counts;
    const question = would ? words.ask(sessions(would)) : "";
    this.fill(question ? `${question}?` : "Nothing to do", answer, question);
    const ids = answer.results.filter((one) => one.outcome === "would").map((one) => one.session_id);
    const go = this.dialog.querySelector("[data-go]");
    go.className = `button ${words.danger ? "danger" : "primary"}`;
    go.onclick = () => this.carryOut(action, ids);
    this.dialog.showModal();
  }

  /** Do it to exactly those that were shown, and tell what became of each. */
  async carryOut(action, ids) {
    if (this.busy) return;
    this.busy = true;
    this.dialog.setAttribute("aria-busy", "true");
    const go = this.dialog.querySelector("[data-go]");
    go.setAttribute("aria-disabled", "true");
    go.textContent = `${WORDS[action].doing}…`;
    const answer = await this.send(this.wish(action, ids, false));
    this.busy = false;
    this.dialog.removeAttribute("aria-busy");
    go.removeAttribute("aria-disabled");
    if (!answer) {
      this.dialog.close();
      return;
    }
    this.fill(`${WORDS[action].done}: ${sessions(answer.counts.done)}`, answer, "");
    this.clear();
    this.dialog.querySelector("[data-close]").focus();
  }

  fill(title, { counts, results, more }, question) {
    const at = (name) => this.dialog.querySelector(`[data-${name}]`);
    at("title").textContent = title;
    const stay = counts.skipped + counts.failed;
    const parts = [];
    if (more) parts.push("More sessions match than can be dealt with at once; these are the newest.");
    if (counts.failed) parts.push(`${counts.failed} could not be done.`);
    if (stay) parts.push(`${stay} of ${results.length} stay${stay === 1 ? "s" : ""} as ${stay === 1 ? "it is" : "they are"}.`);
    at("note").textContent = parts.join(" ");
    const order = ["failed", "would", "done", "skipped"];
    const sorted = results.toSorted((a, b) => order.indexOf(a.outcome) - order.indexOf(b.outcome));
    const template = this.dialog.querySelector("template");
    at("results").replaceChildren(...sorted.slice(0, SHOWN).map((one) => line(template, one)));
    at("rest").textContent =
      sorted.length > SHOWN ? `and ${(sorted.length - SHOWN).toLocaleString()} more` : "";
    at("go").hidden = !question;
    at("go").textContent = question;
    at("close").textContent = question ? "Change nothing" : "Close";
  }
}

function line(template, { session_id: id, title, detail, outcome, new: made }) {
  const item = template.content.firstElementChild.cloneNode(true);
  item.dataset.id = id;
  item.classList.add(`is-${outcome}`);
  const link = item.querySelector("[data-link]");
  link.textContent = title || id;
  link.href = `/sessions/${id}/`;
  item.querySelector("[data-detail]").textContent = detail;
  const other = item.querySelector("[data-made]");
  other.hidden = !made;
  if (made) other.href = `/sessions/${made}/`;
  return item;
}
