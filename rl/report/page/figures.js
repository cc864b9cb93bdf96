// Unpacks plotly.js and the figures, and draws a figure when it comes near the screen.
const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
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
    "hoverlabel.font.color": colour("--text"), "legend.bgcolor": "rgba(0,0,0,0)",
    "modebar.color": colour("--soft"), "modebar.activecolor": colour("--text"), "modebar.bgcolor": "rgba(0,0,0,0)" };
  for (const axis of Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
    changes[`${axis}.gridcolor`] = colour("--grid");
    changes[`${axis}.linecolor`] = colour("--line");
    changes[`${axis}.tickcolor`] = colour("--line");
    changes[`${axis}.zerolinecolor`] = colour("--line");
  }
  return changes;
}

// Room for the legend below the axis: names in columns of one width, one column on a narrow screen. Plotly would find
// the room by trial, and give up where a figure has many names.
function makeRoom({ data, layout }, width) {
  const names = data.filter((trace) => trace.showlegend !== false && trace.name).map((trace) => trace.name);
  if (layout.showlegend === false || names.length < (layout.showlegend ? 1 : 2)) return;
  const inner = width - layout.margin.l - layout.margin.r;
  const column = 55 + 6.5 * Math.max(...names.map((name) => name.length));
  const columns = Math.max(1, Math.min(names.length, Math.floor(inner / column)));
  const room = 20 * Math.ceil(names.length / columns) + 6;
  const plot = layout.height - layout.margin.t - layout.margin.b;
  layout.height += room;
  layout.margin.b += room;
  layout.legend = { ...layout.legend, orientation: columns > 1 ? "h" : "v", y: -46 / plot };
}

async function draw(place, figure) {
  if (drawn.has(place)) return;
  drawn.add(place);
  // On a touch screen a finger that moves across a figure scrolls the page.
  if (matchMedia("(pointer: coarse)").matches) figure.layout.dragmode = false;
  makeRoom(figure, place.clientWidth);
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
