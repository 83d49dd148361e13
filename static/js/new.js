// The form for a new session: empty fields say what the chosen profile puts there.

import "./page.js";

const profile = document.querySelector("[name=profile]");
const defaults = JSON.parse(profile.dataset.defaults);

function showDefaults() {
  for (const [name, words] of Object.entries(defaults[profile.value] ?? {})) {
    const field = document.querySelector(`[name="${name}"]`);
    if (field.tagName === "SELECT") {
      field.options[0].text = `default: ${words}`;
    } else {
      field.placeholder = `default: ${words}`;
    }
  }
}

profile.addEventListener("change", showDefaults);
window.addEventListener("pageshow", showDefaults); // a page from the history keeps its choice
