// Figures are fetched when they are on the screen, one at a time, and again when the run has gone on.
// Colours are the report's: CONFIG and themed() of its figures.js.
import { make } from "./parts.js";

export class Figures {
  constructor(place) {
    this.place = place;
    this.address = null;
    this.revision = null;
    this.cards = new Map();
    this.sections = new Map();
    this.working = false;
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) this.cards.get(entry.target.dataset.figure).visible = entry.isIntersecting;
      this.work();
    }, { rootMargin: "200px" });
    document.addEventListener("themechange", () => this.recolour());
  }

  // Another run, or the same one again.
  of(address) {
    if (address === this.address) return;
    this.address = address;
    this.revision = null;
    this.seen.disconnect();
    for (const card of this.cards.values()) if (card.shown) Plotly.purge(card.plot);
    this.cards.clear();
    this.sections.clear();
    this.place.replaceChildren();
  }

  update(part) {
    for (const figure of part.list) if (!this.cards.has(figure.name)) this.add(figure);
    if (part.revision === this.revision) return;
    this.revision = part.revision;
    for (const card of this.cards.values()) card.due = 0;
    this.work();
  }

  add({ name, title, caption, absent, wide, section, intro }) {
    const box = make("figure", "", wide ? "card wide" : "card");
    box.dataset.figure = name;
    const plot = make("div", "", "plot");
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", title);
    const head = make("h3", title);
    const note = make("figcaption", caption);
    box.append(head, plot, note);
    this.section(section, intro).append(box);
    this.cards.set(name, { name, box, plot, note, caption, absent, visible: false, shown: null, etag: null, due: 0 });
    this.seen.observe(box);
  }

  section(title, intro) {
    if (!this.sections.has(title)) {
      const grid = make("div", "", "grid");
      this.place.append(make("h2", title), make("p", intro), grid);
      this.sections.set(title, grid);
    }
    return this.sections.get(title);
  }

  // Due figures on the screen, in their order, until none is left.
  async work() {
    if (this.working) return;
    this.working = true;
    try {
      for (;;) {
        const now = performance.now();
        const next = [...this.cards.values()].find((card) => card.visible && card.due <= now);
        if (next === undefined) break;
        await this.fetch(next);
      }
    } finally {
      this.working = false;
    }
    const waiting = [...this.cards.values()].filter((card) => card.visible && card.due < Infinity);
    clearTimeout(this.timer);
    if (waiting.length) {
      const soonest = Math.min(...waiting.map((card) => card.due));
      this.timer = setTimeout(() => this.work(), Math.max(50, soonest - performance.now()));
    }
  }

  async fetch(card) {
    const address = this.address;
    card.due = Infinity;
    let answer;
    try {
      answer = await fetch(`${address}/figures/${encodeURIComponent(card.name)}`);
    } catch {
      card.due = performance.now() + 3000;
      return;
    }
    if (address !== this.address) return;
    const rest = answer.headers.get("Retry-After");
    if (rest !== null) card.due = performance.now() + 1000 * Number(rest);
    if (answer.status === 200) {  // A 304 is answered from the browser's cache as a 200.
      const etag = answer.headers.get("ETag");
      if (etag === card.etag) return;
      card.etag = etag;
      card.shown = await answer.json();
      if (address === this.address) await this.draw(card);
    } else {
      this.without(card, answer.status === 204 ? `Not there (yet): ${card.absent}` : "This figure cannot be drawn.");
    }
  }

  without(card, why) {
    if (card.shown) Plotly.purge(card.plot);
    card.shown = card.etag = null;
    card.plot.hidden = true;
    card.note.textContent = why;
  }

  async draw(card) {
    card.note.textContent = card.caption;
    card.plot.hidden = false;
    card.plot.style.minHeight = "0";
    const layout = { ...card.shown.layout, uirevision: "kept", autosize: true };
    if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false;
    await Plotly.react(card.plot, card.shown.data, layout, CONFIG);
    await Plotly.relayout(card.plot, themed(card.plot.layout));
  }

  recolour() {
    for (const card of this.cards.values()) if (card.shown) Plotly.relayout(card.plot, themed(card.plot.layout));
  }
}
