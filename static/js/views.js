// Saved views: named addresses of the list, kept in this browser, beside those that everybody has.

import { toast } from "./page.js";

const STORED = "hive-views";
const MOST = 20;

function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    const sound = (view) => typeof view?.name === "string" && typeof view?.query === "string";
    return Array.isArray(found) ? found.filter(sound).slice(0, MOST) : [];
  } catch {
    return []; // storage is off, or holds something else
  }
}

function store(views) {
  try {
    localStorage.setItem(STORED, JSON.stringify(views));
    return true;
  } catch {
    toast("This browser keeps nothing for this page, so the view cannot be saved.");
    return false;
  }
}

/** A query without the page's place in the list and what is empty, in one order. */
function plain(query) {
  const given = [...new URLSearchParams(query)].filter(([name, value]) => value && name !== "cursor");
  return new URLSearchParams(given.toSorted()).toString();
}

function show(place, template) {
  const here = plain(location.search);
  const views = stored();
  place.replaceChildren(
    ...views.map((view) => {
      const item = template.content.firstElementChild.cloneNode(true);
      const link = item.querySelector("a");
      link.textContent = view.name;
      link.href = `/?${plain(view.query)}`;
      if (plain(view.query) === here) link.setAttribute("aria-current", "true");
      const remove = item.querySelector("button");
      remove.setAttribute("aria-label", `Forget the view ${view.name}`);
      remove.addEventListener("click", () => {
        if (store(stored().filter((other) => other.name !== view.name))) show(place, template);
        document.querySelector("[data-save-view]").focus();
      });
      return item;
    }),
  );
}

/** Show the saved views, and let the present address be saved under a name. */
export function setUpViews() {
  const nav = document.querySelector("[data-views]");
  const place = nav.querySelector("[data-saved]");
  const template = nav.querySelector("template");
  const button = nav.querySelector("[data-save-view]");
  const form = nav.querySelector("form");
  const input = form.querySelector("input");
  show(place, template);
  const open = (now) => {
    form.hidden = !now;
    button.hidden = now;
    (now ? input : button).focus();
  };
  button.hidden = false;
  button.addEventListener("click", () => open(true));
  form.querySelector("[data-keep-none]").addEventListener("click", () => open(false));
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") open(false);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = input.value.trim();
    if (!name) return;
    const others = stored().filter((view) => view.name !== name);
    if (others.length >= MOST) {
      toast(`${MOST} views are saved already: forget one first.`);
      return;
    }
    if (store([...others, { name, query: plain(location.search) }])) {
      input.value = "";
      show(place, template);
      open(false);
    }
  });
  // An address is easier to read without what says nothing.
  document.querySelector("[data-filters]").addEventListener("formdata", ({ formData }) => {
    const given = [...formData].filter(([, value]) => value);
    for (const name of new Set(formData.keys())) formData.delete(name);
    for (const [name, value] of given) formData.append(name, value);
  });
}
