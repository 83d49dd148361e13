// The processes of a session as an indented table.

import { made, say } from "./words.js";

const DEEPEST = 12;

function processLine(process) {
  const line = document.createElement("tr");
  const name = made("th", "");
  name.scope = "row";
  name.style.paddingInlineStart = `${10 + 16 * Math.min(process.depth, DEEPEST)}px`;
  name.append(made("span", process.name), " ", made("span", process.pid, "muted"));
  const command = made("td", "", "command");
  command.append(made("code", process.command));
  const figures = [process.cpu, process.cpu_time, process.memory, process.threads, process.age];
  line.append(name, ...figures.map((text) => made("td", text)), command);
  return line;
}

/** Show them below `root` (templates/parts/resources.html). */
export function drawProcesses(root, { rows }) {
  const at = (name) => root.querySelector(`[data-${name}]`);
  say(at("processes-note"), rows.length ? "" : "No process is left.");
  at("processes-frame").hidden = !rows.length;
  at("process-rows").replaceChildren(...rows.map(processLine));
}
