// The form that changes a session while it waits; it keeps up with what others change.

const FIELDS = ["priority", "metadata"];

export class ChangeForm {
  constructor(card) {
    this.card = card;
    this.form = card.querySelector("form");
    this.form.addEventListener("done", () => this.saved());
  }

  /** Take the session's present values; what the reader is typing stays. */
  show(session) {
    this.card.hidden = !session.actions.includes("update");
    const values = { priority: session.priority, metadata: session.metadata_text };
    for (const [name, value] of Object.entries(values)) {
      if (this.field(name).value === this.initial(name).value) this.put(name, value);
    }
  }

  /** What was typed is what there is now. */
  saved() {
    for (const name of FIELDS) this.initial(name).value = this.field(name).value;
  }

  put(name, value) {
    if (this.field(name).value === value) return;
    this.field(name).value = value;
    this.initial(name).value = value;
  }

  field(name) {
    return this.form.querySelector(`[name="${name}"]`);
  }

  /** The hidden field with what the server knew (django: show_hidden_initial). */
  initial(name) {
    return this.form.querySelector(`[name="initial-${name}"]`);
  }
}
