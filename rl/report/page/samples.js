// The sample browser: filters, search, order, pages. What a model wrote is only ever set as text, never as HTML.
const PAGE = 20;
const NUMBERS = ["step", "reward", "length"];
let samples = [];
let shown = [];
let page = 0;

// Columns to rows; texts of prompts are kept once.
function rowsOf({ columns, prompts }) {
  const names = Object.keys(columns);
  const rows = columns.step.map((_, i) => Object.fromEntries(names.map((name) => [name, columns[name][i]])));
  for (const row of rows) {
    row.prompt = prompts[row.prompt];
    row.lower = `${row.prompt}\n${row.completion}`.toLowerCase();
  }
  return rows;
}

const SELECTS = {
  source: { any: "training and evaluations", value: (row) => (row.evaluation ? "evaluations" : "training") },
  category: { any: "any category", value: (row) => row.category },
  correct: { any: "any", value: verdict },
  reason: { any: "any reason", value: (row) => row.reason },
  decision: { any: "any", value: (row) => (row.kept === null ? "" : row.kept ? "kept" : row.decision || "dropped") },
  finish: { any: "any", value: (row) => row.finish_reason },
};

function verdict(row) {
  if (row.judged === false || row.correct === null) return "not judged";
  return row.correct ? "right" : "wrong";
}

function startSelects(form) {
  for (const [name, { any, value }] of Object.entries(SELECTS)) {
    const select = form.elements[name];
    const values = [...new Set(samples.map(value))].filter(Boolean).sort();
    select.append(new Option(any, ""), ...values.map((text) => new Option(text, text)));
    select.closest("label").hidden = values.length < 2;
  }
}

function passes(row, wanted) {
  return Object.entries(SELECTS).every(([name, { value }]) => !wanted[name] || value(row) === wanted[name])
    && NUMBERS.every((name) => between(row[name], wanted[`${name}-low`], wanted[`${name}-high`]))
    && wanted.text.toLowerCase().split(/\s+/).every((word) => row.lower.includes(word));
}

function between(value, low, high) {
  if (low === "" && high === "") return true;
  return value !== null && (low === "" || value >= Number(low)) && (high === "" || value <= Number(high));
}

const ORDERS = { step: (row) => row.step, reward: (row) => row.reward, length: (row) => row.length, gap: (row) => row.gap_max,
  prompt: (row) => row.prompt_id };

// Rows without the value come last in either direction; equal ones keep the order of the steps.
function compareBy(order) {
  const sign = order.startsWith("-") ? -1 : 1;
  const value = ORDERS[order.replace("-", "")];
  return (a, b) => {
    const one = value(a), other = value(b);
    if (one === other) return a.step - b.step || a.place - b.place;
    if (one === null || one === undefined) return 1;
    if (other === null || other === undefined) return -1;
    return one < other ? -sign : sign;
  };
}

function filter(form) {
  const wanted = Object.fromEntries(new FormData(form));
  shown = samples.filter((row) => passes(row, wanted)).sort(compareBy(wanted.sort));
  page = 0;
  showPage(wanted.text);
}

function showPage(text) {
  const pages = Math.max(1, Math.ceil(shown.length / PAGE));
  const rows = shown.slice(page * PAGE, (page + 1) * PAGE);
  const right = shown.filter((row) => verdict(row) === "right").length;
  document.getElementById("sample-count").textContent = shown.length
    ? `${shown.length.toLocaleString("en")} of ${samples.length.toLocaleString("en")} samples, ${right.toLocaleString("en")} right`
    : "No sample passes these filters.";
  document.getElementById("sample-page").textContent = `page ${page + 1} of ${pages}`;
  document.getElementById("sample-previous").disabled = page === 0;
  document.getElementById("sample-next").disabled = page + 1 >= pages;
  document.getElementById("sample-list").replaceChildren(...rows.map((row) => item(row, text)));
}

function item(row, text) {
  const head = element("button", { type: "button", class: "sample-head", "aria-expanded": "false" });
  const mark = verdict(row);
  head.append(
    element("span", { class: "facts" }, [
      element("span", { class: mark }, [{ right: "✓ right", wrong: "✗ wrong" }[mark] ?? mark]),
      ...headFacts(row).map((fact) => element("span", {}, [fact])),
    ]),
    element("span", { class: "snippet" }, highlighted(snippet(row.completion, text), text)),
  );
  const line = element("li", {}, [head]);
  head.addEventListener("click", () => {
    const open = line.querySelector(".sample-body");
    if (open) open.remove();
    else line.append(body(row, text));
    head.setAttribute("aria-expanded", String(!open));
  });
  return line;
}

function headFacts(row) {
  return [
    row.run, row.evaluation ? `evaluation after ${row.step} steps` : `step ${row.step}`, row.category,
    row.reward === null ? "no reward" : `reward ${brief(row.reward)}`, `${row.length} tokens`,
    row.kept === false ? `dropped: ${row.decision}` : null, row.reason === verdict(row) ? null : row.reason,
  ].filter(Boolean);
}

// The first line, or where the searched words are.
function snippet(completion, text) {
  const at = text ? completion.toLowerCase().indexOf(text.toLowerCase().split(/\s+/)[0]) : 0;
  const from = Math.max(0, at - 40);
  return (from ? "…" : "") + completion.slice(from, from + 200).replace(/\s+/g, " ").trim() || "(empty)";
}

// The text with the searched words marked, as a list of nodes.
function highlighted(content, text) {
  const wanted = text.split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (!wanted.length) return [content];
  const parts = content.split(new RegExp(`(${wanted.join("|")})`, "gi"));
  return parts.map((part, i) => (i % 2 ? element("mark", {}, [part]) : part));
}

function element(name, attributes, children = []) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function brief(value) {
  return Number(value.toPrecision(4)).toString();
}

async function startSamples() {
  const form = document.getElementById("filters");
  samples = rowsOf(JSON.parse(await unpack("packed-samples")));
  startSelects(form);
  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => filter(form), 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => filter(form)));
  for (const [id, move] of [["sample-previous", -1], ["sample-next", 1]]) {
    document.getElementById(id).addEventListener("click", () => {
      page += move;
      showPage(form.elements.text.value);
      document.getElementById("filters").scrollIntoView();
    });
  }
  filter(form);
}
