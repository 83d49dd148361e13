// What the page of a session says beside its log: facts, arguments, metadata, other tries.

import { setClock, setMoment } from "./time.js";

function code(text) {
  const element = document.createElement("code");
  element.textContent = text;
  return element;
}

/** Fills the places below `root` (templates/session.html) from sessions as the server sends them. */
export class Facts {
  constructor(root) {
    this.root = root;
  }

  at(name) {
    return this.root.querySelector(`[data-${name}]`);
  }

  show(session) {
    this.showFacts({ ...session, resets: session.usage_limit?.resets });
    setClock(this.at("duration"), session);
    this.showArguments(session.args);
    this.showMetadata(session.metadata_text);
    this.showRetries(session.retries);
    this.at("log-note").hidden = !session.log_note;
    this.at("log-note").textContent = session.log_note;
  }

  showFacts(facts) {
    for (const element of this.root.querySelectorAll("[data-fact]")) {
      const value = facts[element.dataset.fact] ?? "";
      const row = element.closest("[data-fact-row]");
      if (row) row.hidden = value === "";
      if (element.tagName === "TIME") setMoment(element, value);
      else element.textContent = value;
    }
  }

  showArguments(values) {
    this.at("no-args").hidden = values.length > 0;
    const list = this.at("args");
    if (list.children.length === values.length) return;
    list.replaceChildren(
      ...values.map((value) => {
        const item = document.createElement("li");
        item.append(code(value));
        return item;
      }),
    );
  }

  showMetadata(text) {
    const place = this.at("metadata");
    if (place.textContent !== text) place.textContent = text;
    this.at("metadata-block").hidden = !text;
    this.at("no-metadata").hidden = Boolean(text);
  }

  showRetries(ids) {
    const place = this.at("retry-links");
    if (place.children.length === ids.length) return;
    const links = ids.map((id) => {
      const link = document.createElement("a");
      link.href = `/sessions/${id}/`;
      link.append(code(id.slice(0, 8)));
      return link;
    });
    place.replaceChildren(...links.flatMap((link, n) => (n ? [", ", link] : [link])));
    this.at("retries").hidden = false;
    this.at("lineage").hidden = false;
  }
}
