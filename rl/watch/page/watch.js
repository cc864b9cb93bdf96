// Listens to one run and hands each part to what shows it. Nothing here makes HTML of a run's text.
import { Figures } from "./live.js";
import { showActors, showAdvisories, showCurves, showLoops, showSamples, showState, tick } from "./parts.js";

const LIST_MS = 5000;
const link = document.getElementById("link");
const choice = document.getElementById("runs");
const figures = new Figures(document.getElementById("figures"));
const show = {
  state: (part) => { showState(part); showLoops(part); showActors(part); },
  curves: showCurves,
  advisories: showAdvisories,
  samples: showSamples,
  figures: (part) => figures.update(part),
};
let source = null;
let run = null;

function listen() {
  close();
  if (run === null || document.hidden) return;
  const address = `api/runs/${encodeURIComponent(run)}`;
  figures.of(address);
  source = new EventSource(`${address}/events`);
  source.onopen = () => { link.textContent = "live"; };
  source.onerror = () => { link.textContent = "no connection to t2rl watch; trying again"; };
  for (const [part, shown] of Object.entries(show)) {
    source.addEventListener(part, (event) => shown(JSON.parse(event.data)));
  }
}

function close() {
  if (source !== null) source.close();
  source = null;
}

async function list() {
  const answer = await fetch("api/runs");
  if (!answer.ok) throw new Error(`api/runs: ${answer.status}`);
  const runs = await answer.json();
  const wanted = decodeURIComponent(location.hash.slice(1));
  const names = runs.map((row) => row.run);
  const next = names.includes(wanted) ? wanted : names.includes(run) ? run : names[0] ?? null;
  document.getElementById("choice").hidden = runs.length < 2;
  choice.replaceChildren(...runs.map((row) => {
    const option = document.createElement("option");
    option.value = row.run;
    option.textContent = `${row.run} (${row.state}, ${row.step ?? 0}/${row.steps ?? "?"})`;
    option.selected = row.run === next;
    return option;
  }));
  if (next !== run) {
    run = next;
    listen();
  }
}

function again() {
  if (document.hidden) return;
  list().catch(() => { link.textContent = "no connection to t2rl watch; trying again"; });
}

choice.addEventListener("change", () => { location.hash = encodeURIComponent(choice.value); });
window.addEventListener("hashchange", again);
// A browser keeps six connections to a server: hidden pages give theirs back.
document.addEventListener("visibilitychange", () => { listen(); again(); });
startTheme();
setInterval(again, LIST_MS);
setInterval(tick, 1000);
again();
