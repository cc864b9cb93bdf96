// One sample opened: its figures, its prompt, its completion (tokens coloured, or compared with another one).
const SHADES = {
  advantage: { title: "Colour by advantage", low: "pushed down", high: "pushed up", signed: true },
  gap: { title: "Colour by engine-learner gap", low: "no gap", high: "largest gap", signed: false },
};

function body(row, text) {
  const completion = element("pre", { class: "text", tabindex: "0", "aria-label": "Completion" });
  const plain = () => completion.replaceChildren(...highlighted(row.completion, text));
  plain();
  return element("div", { class: "sample-body" }, [
    details(row),
    element("div", {}, [element("h4", {}, ["Prompt"]), element("pre", { class: "text", tabindex: "0", "aria-label": "Prompt" }, highlighted(row.prompt, text))]),
    element("div", {}, [element("h4", {}, ["Completion"]), completion]),
    tools(row, completion, plain),
  ]);
}

function details(row) {
  const gap = (value) => (value === null ? null : `${brief(value)} nats`);
  const versions = row.version_min === row.version_max ? row.version_min : `${row.version_min} to ${row.version_max}`;
  const facts = {
    "Prompt id": row.prompt_id, Difficulty: row.difficulty, Advantage: row.advantage === null ? null : brief(row.advantage),
    Components: row.components, Reason: row.reason, Failure: row.failure, "Ended by": row.finish_reason,
    "Filter decision": row.kept === null ? null : row.kept ? "kept" : row.decision || "dropped",
    Trained: row.trained === null ? null : row.trained ? "yes" : "no", "Versions of its tokens": versions, Staleness: row.staleness,
    "Gap, mean": gap(row.gap_mean), "Gap, largest": gap(row.gap_max), Temperature: row.temperature, Group: row.group_id,
  };
  const known = Object.entries(facts).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return element("dl", { class: "details" }, known.map(([name, value]) =>
    element("div", {}, [element("dt", {}, [name]), element("dd", {}, [String(value)])])));
}

function tools(row, completion, plain) {
  const legend = element("p", { class: "legend", "aria-live": "polite" });
  const choices = [["Plain text", () => { plain(); legend.replaceChildren(); }]];
  for (const [name, shade] of Object.entries(SHADES)) {
    if (row.pieces && row[`token_${name}`]) choices.push([shade.title, () => colourTokens(row, name, completion, legend)]);
  }
  for (const other of others(row)) choices.push([label(other), () => compareWith(row, other, completion, legend)]);
  if (choices.length === 1) return legend;
  const select = element("select", {}, choices.map(([title], i) => new Option(title, i)));
  select.addEventListener("change", () => choices[select.value][1]());
  return element("div", { class: "tools" }, [element("label", {}, ["Show the completion as", select]), legend]);
}

// Other completions of the same prompt: of other versions first.
function others(row) {
  const same = samples.filter((other) => other !== row && other.prompt_id === row.prompt_id && other.run === row.run);
  const distance = (other) => (other.step === row.step ? 1e9 : 0) + (other.index === row.index ? 0 : 0.5) + Math.abs(other.step - row.step);
  return same.sort((a, b) => distance(a) - distance(b)).slice(0, 40).sort((a, b) => a.step - b.step || a.place - b.place);
}

function label(other) {
  const where = other.evaluation ? `evaluation after ${other.step} steps` : `step ${other.step}`;
  return `Compared with: ${where}, ${verdict(other)}${other.reward === null ? "" : `, reward ${brief(other.reward)}`} (${other.length} tokens)`;
}

// Words that only the earlier policy wrote are struck out, those that only the later one wrote are shaded.
function compareWith(row, other, completion, legend) {
  const [before, after] = other.step <= row.step ? [other, row] : [row, other];
  const parts = difference(before.completion, after.completion);
  const tags = { old: "del", new: "ins" };
  completion.replaceChildren(...parts.map(([kind, text]) => (kind === "same" ? text : element(tags[kind], {}, [text]))));
  const when = (one) => `${one.evaluation ? `evaluation after ${one.step} steps` : `step ${one.step}`}${one === row ? " (this one)" : ""}`;
  legend.replaceChildren("only in ", element("del", {}, [when(before)]), ", only in ", element("ins", {}, [when(after)]));
}

// The strongest colour is the largest value in the group, so that its answers can be compared.
function colourTokens(row, name, completion, legend) {
  const key = `token_${name}`, values = row[key];
  const group = samples.filter((other) => other.group_id === row.group_id && other.run === row.run && other[key]);
  const largest = Math.max(1e-12, ...group.flatMap((other) => other[key]).map((value) => Math.abs(value ?? 0)));
  completion.replaceChildren(...row.pieces.map((piece, i) => {
    const value = values[i] ?? 0;
    const token = element("span", { title: `${brief(value)}` }, [piece]);
    token.style.background = shadeOf(value / largest);
    return token;
  }));
  const { low, high, signed } = SHADES[name];
  const swatch = (share) => { const box = element("span", { class: "swatch" }); box.style.background = shadeOf(share); return box; };
  legend.replaceChildren(swatch(signed ? -1 : 0), `${low} (${signed ? brief(-largest) : 0})`, swatch(1), `${high} (${brief(largest)}); the scale is that of its group; a pointer over a token shows its value`);
}

// Blue above 0, orange below: told apart with any colour vision, in both themes.
function shadeOf(share) {
  const strength = Math.min(1, Math.abs(share)) * 0.5;
  return share >= 0 ? `rgba(0, 114, 178, ${strength})` : `rgba(213, 94, 0, ${strength})`;
}
