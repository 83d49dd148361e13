// What was typed into a form, kept in this tab until it was sent: for a page that is left by
// mistake, a server that is away, a reader who has to sign in again.

const MAX_CHARACTERS = 400_000;

export class Draft {
  constructor(form) {
    this.form = form;
    // Somebody else who signs in in this tab gets no draft of this reader's.
    this.name = `hive-draft:${location.pathname}${location.search}:${form.dataset.reader}`;
    this.timer = null;
    const notice = document.querySelector("[data-draft]");
    notice.querySelector("button").addEventListener("click", () => {
      this.drop();
      location.assign(location.href);
    });
    // A form that came back with mistakes has what was typed already.
    if (!form.querySelector(".has-error")) notice.hidden = !this.restore();
    window.addEventListener("pagehide", () => this.flush());
  }

  save() {
    this.timer ??= setTimeout(() => this.flush(), 300);
  }

  flush() {
    if (this.timer === null) return;
    clearTimeout(this.timer);
    this.timer = null;
    const text = JSON.stringify(this.entries());
    this.store(() =>
      text.length > MAX_CHARACTERS
        ? sessionStorage.removeItem(this.name)
        : sessionStorage.setItem(this.name, text),
    );
  }

  drop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.store(() => sessionStorage.removeItem(this.name));
  }

  entries() {
    const skipped = ["csrfmiddlewaretoken", "key", "zone"];
    return [...new FormData(this.form)].filter(([name]) => !skipped.includes(name));
  }

  /** Fill in what was kept; false where there is nothing, or nothing else than is there already. */
  restore() {
    const before = JSON.stringify(this.entries());
    const kept = this.store(() => sessionStorage.getItem(this.name));
    if (!kept || kept === before) return false;
    for (const [name, value] of JSON.parse(kept)) {
      const field = this.form.elements[name];
      if (!field) continue;
      field.value = value;
      if (value && !(field instanceof RadioNodeList)) {
        const more = field.closest("details");
        if (more) more.open = true;
      }
    }
    return JSON.stringify(this.entries()) !== before;
  }

  store(action) {
    try {
      return action();
    } catch {
      return null; // Storage may be off or full: then there is no draft.
    }
  }
}
