// Shows the parts of a snapshot. Text goes in as text, never as HTML.

const byId = (id) => document.getElementById(id);
let waits = [];
let heardAt = 0;
let running = false;

export function make(tag, text = "", classes = "") {
  const node = document.createElement(tag);
  if (text !== "") node.textContent = text;
  if (classes) node.className = classes;
  return node;
}

export function clock(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const whole = Math.floor(seconds);
  if (whole < 60) return seconds < 10 ? `${seconds.toFixed(1)} s` : `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function rows(body, cells, empty, width) {
  const made = cells.map((row) => {
    const line = make("tr");
    line.append(...row);
    return line;
  });
  if (made.length === 0) {
    const cell = make("td", empty, "soft");
    cell.colSpan = width;
    const line = make("tr");
    line.append(cell);
    made.push(line);
  }
  body.replaceChildren(...made);
}

export function showState(state) {
  heardAt = performance.now();
  running = ["starting", "running", "stopping"].includes(state.state);
  document.title = `${state.step ?? 0}/${state.steps ?? "?"} ${state.run}: ${state.state}`;
  byId("run").textContent = state.run;
  const badge = byId("state");
  badge.textContent = state.silent ? "silent" : state.state;
  badge.dataset.state = badge.textContent;
  const bar = byId("steps");
  bar.setAttribute("aria-valuemax", state.steps ?? 0);
  bar.setAttribute("aria-valuenow", state.step ?? 0);
  byId("done").style.width = state.steps ? `${Math.min(100, (100 * state.step) / state.steps)}%` : "0";
  byId("facts").textContent = facts(state).join("  ·  ");
  const problem = byId("problem");
  problem.textContent = state.problem ?? state.last_error ?? "";
  problem.hidden = problem.textContent === "";
}

function facts(state) {
  const found = [`step ${state.step ?? 0} of ${state.steps ?? "?"}`];
  if (state.step_s) found.push(`${clock(state.step_s)} a step`);
  if (running && state.eta_s !== null && state.eta_s !== undefined) found.push(`${clock(state.eta_s)} left`);
  if (state.phase && running) found.push(state.phase);
  if (state.silent) found.push("it has written nothing for a while: its event loop hangs, or its disk");
  if (state.attempt > 1) found.push(`start ${state.attempt}, from step ${state.restored_step}`);
  if (state.host) found.push(`${state.host}, process ${state.pid}`);
  return found;
}

export function showLoops(state) {
  waits = [];
  rows(byId("loops"), (state.loops ?? []).map((loop) => {
    const waited = make("td", clock(loop.waited_s), "number");
    if (loop.waits_for !== null && loop.waited_s !== null) waits.push([waited, loop.waited_s]);
    const others = loop.others ? ` (and ${loop.others} more)` : "";
    return [make("th", loop.name), make("td", (loop.waits_for ?? "at work") + others, loop.waits_for ? "" : "busy"), waited];
  }), "The run has not said.", 3);
}

export function showActors(state) {
  rows(byId("actors"), (state.actors ?? []).map((actor) => {
    const cell = make("td", actor.state);
    cell.dataset.actor = actor.state;
    return [make("th", actor.name), cell, make("td", actor.detail ?? "")];
  }), "None is known.", 3);
}

export function tick() {
  if (!running) return;
  const since = (performance.now() - heardAt) / 1000;
  for (const [cell, waited] of waits) cell.textContent = clock(waited + since);
}

export function showCurves(curves) {
  byId("tiles").replaceChildren(...curves.map((curve) => {
    const tile = make("li");
    tile.append(make("span", curve.label, "tile-name"), make("span", number(curve.last, curve.format), "tile-value"), spark(curve));
    return tile;
  }));
}

function number(value, format) {
  if (value === null) return "–";
  const digits = Number(/\.(\d+)f/.exec(format)[1]);
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function spark(curve) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 100 24");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", `${curve.label} up to step ${curve.steps.at(-1)}`);
  const known = curve.values.filter((value) => value !== null);
  const low = Math.min(...known);
  const range = Math.max(...known) - low || 1;
  const points = curve.values.map((value, i) => [(100 * i) / Math.max(1, curve.values.length - 1), value])
    .filter(([, value]) => value !== null)
    .map(([x, value]) => `${x.toFixed(1)},${(22 - (20 * (value - low)) / range).toFixed(1)}`);
  const line = document.createElementNS(space, "polyline");
  line.setAttribute("points", points.join(" "));
  picture.append(line);
  return picture;
}

export function showAdvisories(advisories) {
  const made = advisories.map((advice) => {
    const box = make("article", "", "advice");
    box.dataset.severity = advice.severity ?? "warning";
    const head = make("h3", advice.name);
    head.append(make("span", ` at step ${advice.step + 1}`, "soft"));
    box.append(head);
    if (advice.text) box.append(make("p", advice.text));
    for (const part of ["cause", "fix", "knob"]) {
      if (!advice[part]) continue;
      const line = make("p", "", "soft");
      line.append(make("b", `${part}: `), advice[part]);
      box.append(line);
    }
    return box;
  });
  byId("advisories").replaceChildren(...(made.length ? made : [make("p", "None so far.", "soft")]));
}

export function showSamples(samples) {
  const open = new Set([...document.querySelectorAll("#samples details[open]")].map((node) => node.dataset.key));
  const made = samples.map((sample) => {
    const box = make("details", "", "sample");
    box.dataset.key = `${sample.attempt}/${sample.group_id}/${sample.index}`;
    box.open = open.has(box.dataset.key);
    const mark = sample.judged === false ? "unjudged" : sample.correct ? "right" : "wrong";
    const head = make("summary");
    head.append(make("span", mark, `mark ${mark}`), ` ${sampleFacts(sample).join("  ·  ")} `,
      make("span", (sample.completion ?? "").slice(0, 120), "first"));
    box.append(head, make("h4", "prompt"), make("pre", sample.prompt || "(empty)", "text"), make("h4", "completion"),
      make("pre", sample.completion || "(empty)", "text"));
    return box;
  });
  byId("samples").replaceChildren(...(made.length ? made : [make("p", "None is kept yet.", "soft")]));
}

function sampleFacts(sample) {
  const found = [`step ${sample.step + 1}`];
  if (sample.category) found.push(sample.category);
  if (sample.reward !== null) found.push(`reward ${sample.reward.toFixed(2)}`);
  if (sample.reason) found.push(sample.reason);
  if (sample.length !== null) found.push(`${sample.length} tokens`);
  if (sample.decision) found.push(`dropped: ${sample.decision}`);
  return found;
}
