// Choosing what this browser tells of: the dialog behind the bell, and the bell of a session's page.

import { choose, follow, follows, onChoice, setting } from "./choices.js";
import { open, setUpDialog } from "./dialog.js";
import { register } from "./keys.js";
import { toast } from "./toast.js";
import { permission, setUpWatch, shownSession, watch } from "./watch.js";

const FINISHED = ["completed", "failed"];
const NOT_KEPT = "This browser keeps nothing for this site, so the choice is lost with the page.";
const EXPLAINED = {
  granted: "",
  default: "Your browser will ask whether this site may show notifications.",
  denied:
    "Your browser blocks notifications from this site. Allow them in its settings for this site, " +
    "by the sign beside the address; then choose again here.",
  insecure:
    "Browsers show notifications only for sites that are reached by HTTPS or on localhost. " +
    "This page was reached without.",
  unable: "This browser cannot show notifications.",
};

const dialog = document.querySelector("[data-notices]");

/** Ask the browser for permission, if it was never asked; only after a click. */
async function allowed() {
  if (permission() === "default") await Notification.requestPermission();
  return permission() === "granted";
}

function explain() {
  const words = EXPLAINED[permission()];
  const place = dialog.querySelector("[data-notices-state]");
  place.textContent = words;
  place.hidden = !words;
  place.classList.toggle("error", permission() === "denied");
}

function showChoices() {
  const now = setting();
  for (const box of dialog.querySelectorAll("[data-notice]")) {
    box.checked = permission() === "granted" && now[box.dataset.notice];
  }
  explain();
}

/** Show the dialog. */
export function openNotices() {
  showChoices();
  open(dialog);
}

async function chosen({ target }) {
  const wants = target.checked;
  if (wants && !(await allowed())) {
    showChoices();
    return;
  }
  if (!choose({ [target.dataset.notice]: wants })) toast(NOT_KEPT);
  explain();
  watch();
}

/** The bell of the session that this page shows, until it has ended. */
class Bell {
  constructor(root) {
    this.root = root;
    this.id = shownSession();
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "button small quiet bell";
    const sign = document.querySelector("[data-open-notices] svg").cloneNode(true);
    this.words = document.createElement("span");
    this.button.append(sign, this.words);
    this.button.addEventListener("click", () => this.press());
    const place = root.querySelector(".crumb") ?? root;
    place.classList.add("with-bell");
    place.append(this.button);
    register({
      keys: "b",
      label: "Tell me when it ends, or not",
      group: "This session",
      where: () => !this.button.hidden,
      run: () => this.press(),
    });
    new MutationObserver(() => this.show()).observe(root, { attributeFilter: ["data-status"] });
    onChoice(() => this.show());
    this.show();
  }

  get on() {
    return permission() === "granted" && follows(this.id);
  }

  show() {
    const { on, button } = this;
    const over = FINISHED.includes(this.root.dataset.status);
    if (over && document.activeElement === button) this.root.querySelector("h1")?.focus();
    button.hidden = over;
    button.setAttribute("aria-pressed", String(on));
    this.words.textContent = "Tell me when it ends";
  }

  async press() {
    const wants = !this.on;
    if (wants && !(await allowed())) {
      openNotices();
      return;
    }
    if (!follow(this.id, wants)) toast(NOT_KEPT);
    else toast(wants ? "You will be told when it ends, while a page of hiveweb is open." : "You will not be told.");
    this.show();
    watch();
  }
}

/** Make it ready, for those who are somebody. */
export function setUpNotices() {
  if (!dialog) return;
  setUpDialog(dialog);
  for (const box of dialog.querySelectorAll("[data-notice]")) box.addEventListener("change", chosen);
  for (const button of document.querySelectorAll("[data-open-notices]")) {
    button.hidden = false;
    button.addEventListener("click", openNotices);
  }
  register({ keys: "g n", label: "Notifications", group: "Anywhere", run: openNotices });
  const session = document.querySelector("[data-session]");
  if (session) new Bell(session);
  setUpWatch();
}
