// Searching the whole log on the server, and going from hit to hit.

// Hits that are asked for at once; beyond them one at a time.
const MOST_HITS = 1000;
const number = new Intl.NumberFormat();

/** `form` has the fields; `view` shows places (see logview.js). */
export class LogSearch {
  constructor(form, view) {
    const at = (name) => form.querySelector(`[data-search-${name}]`);
    this.form = form;
    this.view = view;
    this.input = at("text");
    this.caseButton = at("case");
    this.told = at("told");
    this.text = "";
    this.ignoreCase = false;
    this.forget();
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.go(true);
    });
    at("next").addEventListener("click", () => this.go(true));
    at("previous").addEventListener("click", () => this.go(false));
    at("close").addEventListener("click", () => this.close());
    this.caseButton.addEventListener("click", () => {
      this.ignoreCase = !this.ignoreCase;
      this.caseButton.setAttribute("aria-pressed", String(this.ignoreCase));
      this.forget();
      if (this.input.value) this.go(true);
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      else if (event.key === "Enter" && event.shiftKey && event.target === this.input) {
        event.preventDefault();
        this.go(false);
      }
    });
  }

  /** Show the bar, ready to type. */
  open() {
    this.form.hidden = false;
    this.input.focus();
    this.input.select();
  }

  close() {
    this.form.hidden = true;
    this.forget();
    this.say("");
    this.view.mark(null);
    this.view.box.focus();
  }

  forget() {
    this.asking?.abort();
    this.text = "";
    this.hits = [];
    this.current = null;
    this.next = null;
    this.count = 0;
  }

  say(text, failed = false) {
    this.told.textContent = text;
    this.told.classList.toggle("failed", failed);
  }

  /** To the next hit, or the one before. */
  async go(forward) {
    const text = this.input.value;
    if (!text) return this.open();
    try {
      if (text !== this.text) await this.begin(text);
      else if (!this.count && this.next) await this.begin(text, this.next);
      else await this.step(forward);
    } catch (error) {
      if (error.name !== "AbortError") this.say(error.message, true);
    }
    return undefined;
  }

  ask(query) {
    this.asking?.abort();
    this.asking = new AbortController();
    const asked = { text: this.text, ignore_case: this.ignoreCase, ...query };
    return this.view.reader.json("search", asked, this.asking.signal);
  }

  /** Look from a byte on; hits before it there are none. */
  async begin(text, from = 0) {
    this.forget();
    this.text = text;
    this.say("Searching …");
    let found;
    try {
      found = await this.ask({ from, count: true, limit: MOST_HITS });
    } catch (error) {
      this.text = "";
      throw error;
    }
    this.hits = found.hits;
    this.count = found.count;
    this.whole = found.complete;
    this.listed = found.next === null;
    if (!this.count) {
      const part = Math.round((100 * found.next) / found.size);
      this.next = found.next;
      this.say(this.whole ? "No hits" : `No hits in the first ${part} %: Enter looks on`);
      this.view.mark(null);
      return;
    }
    const top = this.view.topOffset();
    const next = this.hits.findIndex(({ offset }) => offset >= top);
    if (next >= 0 || this.listed) await this.show(next >= 0 ? next : this.hits.length - 1);
    else await this.seek(top, true);
  }

  async step(forward) {
    if (!this.count) return;
    const last = this.hits.length - 1;
    if (this.index === null) await this.seek(this.current.offset + (forward ? 1 : 0), forward);
    else if (forward && this.index === last && !this.listed) {
      await this.seek(this.current.offset + 1, true);
    } else if (!forward && this.index === 0 && !this.listed) await this.seek(null, false);
    else await this.show((this.index + (forward ? 1 : -1) + last + 1) % (last + 1));
  }

  /** A hit that is not in the list. */
  async seek(from, forward) {
    const query = { direction: forward ? "forward" : "backward", limit: 1 };
    const found = await this.ask(from === null ? query : { ...query, from });
    if (!found.hits.length) {
      if (!forward || from === 0) this.say("No more hits");
      else await this.show(0);
      return;
    }
    const known = this.hits.findIndex(({ offset }) => offset === found.hits[0].offset);
    if (known >= 0) await this.show(known);
    else await this.present(found.hits[0], null);
  }

  async show(index) {
    await this.present(this.hits[index], index);
  }

  async present(hit, index) {
    this.current = hit;
    this.index = index;
    const count = `${number.format(this.count)}${this.whole ? "" : "+"}`;
    const line = hit.line === null ? "" : ` · line ${number.format(hit.line)}`;
    const which = index === null ? "one" : number.format(index + 1);
    this.say(`${which} of ${count}${line}`);
    await this.view.showHit(hit);
  }
}
