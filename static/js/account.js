// The account page: a new token, shown once, is not lost by leaving the page too early.

import "./page.js";

const shown = document.querySelector("[data-once-shown]");

function keep(card) {
  let safe = false;
  const token = card.querySelector("[data-token]");
  const stored = card.querySelector("[data-stored]");
  stored.hidden = false;
  window.addEventListener("beforeunload", (event) => {
    if (safe) return;
    event.preventDefault();
    // Whoever stays may still send the forms: page.js has just closed the one that was sent.
    setTimeout(() => {
      for (const button of document.querySelectorAll("form [type=submit]")) button.disabled = false;
    });
  });
  const copied = () => {
    safe = true;
  };
  card.addEventListener("copied", copied);
  card.addEventListener("copy", copied);
  stored.addEventListener("click", () => {
    safe = true;
    token.textContent = "";
    card.hidden = true;
    const over = document.querySelector("[data-once-over]");
    over.hidden = false;
    over.focus();
  });
}

if (shown) keep(shown);
