// The form for a new session: it grows, counts, keeps a draft, and shows the commands that do the same.

import { setUpActions } from "./actions.js";
import { commands } from "./commands.js";
import { Draft } from "./draft.js";
import { onSignedOut, wayIn } from "./identity.js";
import "./page.js";
import { split } from "./shell.js";

const WHERE = {
  curl: "HIVE_TOKEN is a token of yours: make one on the account page.",
  script: "On the machine hiveweb runs on, in its directory. For bash, zsh or ksh.",
  manage: "The same without the script’s shortcut. For bash, zsh or ksh.",
};

class NewSession {
  constructor(form) {
    this.form = form;
    this.fields = form.elements;
    this.task = this.fields.task;
    this.defaults = JSON.parse(this.fields.profile.dataset.defaults);
    this.preview = document.querySelector("[data-preview]");
    this.count = form.querySelector("[data-count]");
    this.sent = null;
    this.waits = false;
    this.draft = new Draft(form);
    this.preview.hidden = this.count.hidden = false;
    this.explain();
    form.addEventListener("input", () => this.changed());
    form.addEventListener("change", () => this.changed());
    form.addEventListener("keydown", (event) => this.key(event));
    // Before actions.js sends it: the same entries twice are one request, others are another.
    form.addEventListener("submit", () => this.mark());
    form.addEventListener("made", () => this.draft.drop());
    onSignedOut(() => this.signedOut());
    for (const tool of document.getElementsByName("tool")) {
      tool.addEventListener("change", () => this.show());
    }
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) this.sent = null; // come back to make another one
      this.show();
    });
    this.show();
  }

  /** What needs the reader's own clock and keyboard. */
  explain() {
    const help = document.getElementById("id_not_before_helptext");
    help.textContent = "In your time. It then starts as soon as a slot is free.";
    const hint = this.form.querySelector("[data-hint]");
    const mac = /Mac|iPhone|iPad/.test(navigator.platform);
    hint.textContent = `${mac ? "⌘" : "Ctrl"} + Enter creates it, too.`;
    hint.hidden = matchMedia("(hover: none)").matches; // a phone has no such keys
  }

  changed() {
    this.draft.save();
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.show();
    });
  }

  key(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  mark() {
    this.fields.zone.value = this.zone();
    const entries = JSON.stringify([...new FormData(this.form)].filter(([name]) => name !== "key"));
    if (entries === this.sent) return;
    this.sent = entries;
    const random = crypto.getRandomValues(new Uint8Array(16));
    this.fields.key.value = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  signedOut() {
    const place = document.querySelector("[data-signed-out]");
    place.querySelector("a").href = wayIn();
    place.hidden = false;
    place.scrollIntoView({ block: "center" });
  }

  show() {
    this.showDefaults();
    this.showCount();
    this.showCommands();
    if (!CSS.supports("field-sizing", "content")) {
      this.task.style.height = "auto";
      this.task.style.height = `${this.task.scrollHeight + 2}px`;
    }
  }

  showDefaults() {
    const { about, ...limits } = this.defaults[this.fields.profile.value] ?? { about: "" };
    const words = about.charAt(0).toUpperCase() + about.slice(1);
    document.getElementById("id_profile_helptext").textContent = words && `${words.replace(/\.$/, "")}.`;
    for (const [name, text] of Object.entries(limits)) {
      const field = this.fields[name];
      if (field.tagName === "SELECT") field.options[0].text = `default: ${text}`;
      else field.placeholder = `default: ${text}`;
    }
  }

  showCount() {
    const most = Number(this.task.dataset.maxBytes);
    const bytes = new TextEncoder().encode(this.task.value).length;
    const over = bytes > most;
    const words = `${bytes.toLocaleString("en")} of ${most.toLocaleString("en")} bytes`;
    this.count.textContent = over ? `${words}: too long by ${(bytes - most).toLocaleString("en")}` : words;
    this.count.classList.toggle("is-over", over);
    this.count.setAttribute("role", over ? "status" : "none");
  }

  showCommands() {
    const wish = this.wish();
    const problem = typeof wish === "string" ? wish : "";
    const place = this.preview.querySelector("[data-commands]");
    const note = this.preview.querySelector("[data-preview-note]");
    note.textContent = problem;
    note.hidden = !problem;
    place.hidden = Boolean(problem);
    if (problem) return;
    const tool = [...document.getElementsByName("tool")].find((radio) => radio.checked).value;
    const { text, later } = commands(wish, location.origin)[tool];
    place.querySelector("[data-command]").textContent = text;
    place.querySelector("[data-later-command]").textContent = later;
    place.querySelector("[data-later]").hidden = !later;
    place.querySelector("[data-where]").textContent = WHERE[tool];
  }

  /** What the form asks for; a sentence instead where that is not clear yet. */
  wish() {
    const value = (name) => this.fields[name].value;
    const args = split(value("args"));
    const metadata = value("metadata").trim();
    const notBefore = value("not_before");
    const start = value("start") || "no";
    if (!value("task").trim()) return "Commands for the shell and for curl appear here as you type.";
    if ([value("task"), value("args")].join("").includes("\0")) return "No command can take a NUL byte.";
    if (args === null) return "The arguments have a quote that is not closed.";
    if (metadata && !isObject(metadata)) return "The metadata is no JSON object yet.";
    if (start === "later" && !notBefore) return "Say from when on it may start.";
    const limits = {};
    for (const name of Object.keys(this.defaults[value("profile")] ?? {})) {
      const text = this.fields[name]?.type === "text" ? value(name).trim() : "";
      if (text) limits[name] = text;
    }
    return {
      task: value("task"),
      priority: value("priority"),
      profile: value("profile") === this.fields.profile.dataset.default ? "" : value("profile"),
      args,
      metadata: metadata === "null" ? "" : metadata,
      limits,
      onUsageLimit: value("on_usage_limit"),
      pool: this.fields.pool?.value.trim() ?? "", // only where there may be several hosts
      onLost: this.fields.on_lost?.value ?? "",
      start,
      notBefore: start === "later" ? `${notBefore}:00${this.zone()}` : "",
    };
  }

  /** The offset of the chosen time from UTC in the reader's zone: +01:00. */
  zone() {
    const chosen = this.fields.not_before.value;
    const minutes = -new Date(chosen || Date.now()).getTimezoneOffset() || 0;
    const two = (number) => String(Math.floor(Math.abs(number))).padStart(2, "0");
    return `${minutes < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
  }
}

function isObject(text) {
  try {
    const value = JSON.parse(text);
    return value === null || (typeof value === "object" && !Array.isArray(value));
  } catch {
    return false;
  }
}

new NewSession(document.querySelector("form[data-action=create]"));
setUpActions();
