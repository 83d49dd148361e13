// Buttons that ask the server for something: forms with data-action, sent without leaving the page.

import { refused, signedOut, STAY } from "./identity.js";
import { toast } from "./page.js";

function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

async function send(form) {
  let response;
  try {
    response = await fetch(form.action, {
      ...STAY,
      method: "POST",
      body: new FormData(form),
      headers: { Accept: "application/json" },
    });
  } catch {
    toast(form.dataset.unreached ?? "The server could not be reached. Nothing was changed; try again.");
    return false;
  }
  if (refused(response)) {
    toast("You are signed out. Nothing was changed.");
    signedOut();
    return false;
  }
  const answer = await response.json().catch(() => ({}));
  showErrors(form, answer.errors ?? {});
  if (answer.url) {
    form.dispatchEvent(new CustomEvent("made", { bubbles: true }));
    location.assign(answer.url);
  }
  if (response.ok) {
    if (form.dataset.said) toast(form.dataset.said);
    form.dispatchEvent(new CustomEvent("done", { bubbles: true }));
  } else if (!answer.errors) {
    // What a key stands for may have been removed; where it is not known what was done, it stays.
    if (response.status < 500) newKeys();
    const unknown = `The server refused this (${response.status}). Reload the page and try again.`;
    toast(capitalised(answer.detail ?? unknown));
  }
  return Boolean(answer.url);
}

/** What is sent from here on is another wish, not the same once more. */
function newKeys() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  const text = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  for (const field of document.querySelectorAll("form[data-action] input[name=key]")) field.value = text;
}

/** Mistakes beside their fields, as templates/parts/field.html has them. */
function showErrors(form, errors) {
  for (const field of form.querySelectorAll(".field")) {
    const input = field.querySelector("input:not([type=hidden]), select, textarea");
    const lines = errors[input.name] ?? [];
    field.querySelector(".field-error")?.remove();
    field.classList.toggle("has-error", lines.length > 0);
    input.toggleAttribute("aria-invalid", false);
    const help = `${input.id}_helptext`;
    const describedBy = document.getElementById(help) ? [help] : [];
    if (lines.length) {
      const place = document.createElement("div");
      place.className = "field-error";
      place.id = `${input.id}_error`;
      for (const line of lines) {
        place.appendChild(document.createElement("p")).textContent = capitalised(line);
      }
      field.querySelector("label").after(place);
      input.setAttribute("aria-invalid", "true");
      describedBy.unshift(place.id);
    }
    input.setAttribute("aria-describedby", describedBy.join(" "));
  }
  const first = form.querySelector("[aria-invalid=true]");
  for (const more of form.querySelectorAll("details:has([aria-invalid=true])")) more.open = true;
  first?.focus();
}

/**
 * Take over the forms with data-action. A form gets the event "done" when it was accepted, "made"
 * when that leads to another page; it then stays busy until this one is shown again.
 */
export function setUpActions() {
  const busy = new Set();
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-action]");
    if (!form) return;
    event.preventDefault();
    if (busy.has(form)) return;
    busy.add(form);
    form.closest("[popover]")?.hidePopover?.();
    const button = form.querySelector("[type=submit]");
    button.setAttribute("aria-disabled", "true"); // a disabled one would lose the focus
    if (await send(form)) return;
    busy.delete(form);
    button.removeAttribute("aria-disabled");
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) newKeys();
    for (const form of busy) form.querySelector("[type=submit]").removeAttribute("aria-disabled");
    busy.clear();
  });
}
