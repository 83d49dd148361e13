// The swarm of a session: its id, its agents and tasks, what it has decided.

import { bar, facts, made, say } from "./words.js";

function agentLine(agent) {
  const line = document.createElement("li");
  if (agent.queen) line.className = "is-queen";
  line.append(
    made("span", agent.name, "agent-name"),
    " ",
    made("span", agent.role, "muted"),
    " ",
    made("span", agent.status, "chip-state"),
    made("span", agent.task, "agent-task"),
  );
  return line;
}

function taskLine(task) {
  const line = document.createElement("li");
  line.append(
    made("span", task.text, "task-words"),
    " ",
    made("span", task.who, "muted"),
    " ",
    made("span", task.status, "chip-state"),
  );
  if (task.percent !== null) line.append(bar(task.percent, 100, "Progress of this task"));
  return line;
}

function decisionLine({ topic, decision }) {
  const line = document.createElement("div");
  line.append(made("dt", topic), made("dd", decision));
  return line;
}

/** Show the swarm below `root` (templates/parts/swarm.html). */
export function drawSwarm(root, words) {
  const at = (name) => root.querySelector(`[data-${name}]`);
  say(at("swarm-note"), words.note);
  at("swarm-line").hidden = !words.id;
  if (at("swarm-id").textContent !== words.id) at("swarm-id").textContent = words.id;
  at("swarm-link").href = `/?${new URLSearchParams({ swarm: words.id })}`;
  facts(at("swarm-facts"), words.facts);
  at("agents").hidden = !words.agents.length;
  at("agent-list").replaceChildren(...words.agents.map(agentLine));
  say(at("agents-more"), words.agents_more);
  at("tasks").hidden = !words.tasks.length;
  at("tasks-done").textContent = words.progress.text;
  at("tasks-bar").max = words.progress.total || 1;
  at("tasks-bar").value = words.progress.done;
  at("task-list").replaceChildren(...words.tasks.map(taskLine));
  say(at("tasks-more"), words.tasks_more);
  at("decisions").hidden = !words.decisions.length;
  at("decision-list").replaceChildren(...words.decisions.map(decisionLine));
}
