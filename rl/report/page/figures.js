// Unpacks plotly.js and the figures, and draws a figure when it comes near the screen.
const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
const SWATCHES = { dash: "dashed", longdash: "dashed", dashdot: "dashed", dot: "dotted" };
const drawn = new Set();

async function unpack(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// The part of a layout that depends on the theme.
function themed(layout) {
  const changes = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", "font.color": colour("--text"),
    "hoverlabel.bgcolor": colour("--raised"), "hoverlabel.bordercolor": colour("--line"),
    "hoverlabel.font.color": colour("--text"),
    "modebar.color": colour("--soft"), "modebar.activecolor": colour("--text"), "modebar.bgcolor": "rgba(0,0,0,0)" };
  for (const axis of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
    changes[`${axis}.gridcolor`] = colour("--grid");
    changes[`${axis}.linecolor`] = colour("--line");
    changes[`${axis}.tickcolor`] = colour("--line");
    changes[`${axis}.zerolinecolor`] = colour("--line");
  }
  return changes;
}

// Names below a figure, as buttons that hide and show their lines: plotly's own legend is out of reach for keys.
function addLegend(place, { data, layout }) {
  const named = data.filter((trace) => trace.showlegend !== false && trace.name);
  const wanted = layout.showlegend ?? named.length > 1;
  layout.showlegend = false;
  if (!wanted) return;
  const legend = document.createElement("div");
  legend.className = "names";
  for (const trace of named) {
    const button = document.createElement("button"), swatch = document.createElement("span");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    swatch.className = "swatch";
    swatch.style.borderTop = `3px ${SWATCHES[trace.line?.dash] ?? "solid"} ${trace.fillcolor ?? trace.line?.color ?? trace.marker?.color}`;
    button.append(swatch, trace.name);
    const same = data.flatMap((other, i) => (other === trace || (trace.legendgroup && other.legendgroup === trace.legendgroup) ? [i] : []));
    button.addEventListener("click", () => {
      const visible = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(visible));
      Plotly.restyle(place, { visible }, same);
    });
    legend.append(button);
  }
  place.after(legend);
}

async function draw(place, figure) {
  if (drawn.has(place)) return;
  drawn.add(place);
  // On a touch screen a finger that moves across a figure scrolls the page.
  if (matchMedia("(pointer: coarse)").matches) figure.layout.dragmode = false;
  addLegend(place, figure);
  await Plotly.newPlot(place, figure.data, figure.layout, CONFIG);
  await Plotly.relayout(place, themed(place.layout));
}

async function startFigures() {
  const places = [...document.querySelectorAll("[data-figure]")];
  const [source, packedFigures] = await Promise.all([unpack("packed-plotly"), unpack("packed-figures")]);
  const script = document.createElement("script");
  script.textContent = source;
  document.head.append(script);
  const figures = JSON.parse(packedFigures);
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) draw(entry.target, figures[entry.target.dataset.figure]);
  }, { rootMargin: "600px" });
  for (const place of places) seen.observe(place);
  document.addEventListener("themechange", () => {
    for (const place of drawn) Plotly.relayout(place, themed(place.layout));
  });
  addEventListener("beforeprint", () => {
    for (const place of places) draw(place, figures[place.dataset.figure]);
  });
}
