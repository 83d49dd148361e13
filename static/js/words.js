// Words of the server's put into their places; what is not said is hidden.

/** A line of text, or nothing. */
export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}

/** An element with a text. */
export function made(name, text, className = "") {
  const element = document.createElement(name);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

/** Labels and values in a <dl>; those that stay the same stay, so that they can be selected. */
export function facts(list, all) {
  list.hidden = !all.length;
  const known = new Map([...list.children].map((row) => [row.className, row]));
  list.replaceChildren(
    ...all.map(({ name, label, value }) => {
      const row = known.get(`is-${name}`) ?? document.createElement("div");
      if (!row.children.length) row.append(made("dt", label), made("dd", value));
      row.className = `is-${name}`;
      const said = row.querySelector("dd");
      if (said.textContent !== value) said.textContent = value;
      return row;
    }),
  );
}

/** A progress bar. */
export function bar(value, max, label) {
  const element = document.createElement("progress");
  element.className = "bar";
  element.max = max;
  element.value = value;
  element.setAttribute("aria-label", label);
  return element;
}
