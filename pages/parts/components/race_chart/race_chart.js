// Follows one race: keeps every copy's losses, draws their spread and a small curve for each. See following.js.

const POINTS = 120; // of each curve
const TOP = 2.6; // the first view of the loss ends a little above a blind guess, ln 10 = 2.303
const LEARNED_NOTHING = 0.15; // accuracy: hardly better than chance

const charts = new WeakMap();

export default function ({ data, parentElement }) {
  let chart = charts.get(parentElement);
  if (!chart) {
    chart = new RaceChart(parentElement, data);
    charts.set(parentElement, chart);
    chart.begin();
  }
  chart.restyle(); // the theme may have changed
  return () => {
    chart.end();
    charts.delete(parentElement);
  };
}

class RaceChart {
  constructor(root, data) {
    const copies = data.names.map((name, number) => ({ name, number, losses: [], outAt: null, accuracy: null }));
    Object.assign(this, { root, data, copies, ended: false, measured: 0 });
    this.window = Math.max(1, Math.floor((data.stepsPerEpoch * data.epochs) / POINTS));
    this.find = (name) => root.querySelector(`.race-${name}`);
    this.plots = () => ["loss", "accuracy"].map(this.find);
  }

  begin() {
    this.find("copies").replaceChildren(
      ...this.copies.map((copy) => {
        const card = document.createElement("div");
        card.className = "race-copy";
        card.setAttribute("role", "listitem");
        card.innerHTML =
          '<header><b></b><span></span></header><svg viewBox="0 0 100 40" preserveAspectRatio="none" aria-hidden="true">' +
          '<polyline class="others" fill="none" vector-effect="non-scaling-stroke"/>' +
          '<polyline class="own" fill="none" vector-effect="non-scaling-stroke"/></svg><small></small>';
        card.querySelector("b").textContent = copy.name;
        copy.card = card;
        return card;
      }),
    );
    this.resized = keepWidth(this.find("plots"), this.plots);
    loadPlotly(this.data.library).then(() => this.draw(), (error) => this.say(error.message));
    const hear = (events) => {
      for (const event of events) this.take(event);
      this.draw();
    };
    const say = (text) => {
      this.say(text);
      this.sayMeanwhile();
    };
    this.follower = new Follower(this.data.run, hear, say);
    this.follower.ask();
  }

  end() {
    this.ended = true;
    this.follower.end();
    this.resized?.disconnect();
    for (const plot of drawn(this.plots())) window.Plotly.purge(plot);
  }

  take(event) {
    if (event.event === "CopyLosses") {
      event.losses.forEach((line, index) => {
        const step = event.step + index;
        line.forEach((loss, number) => {
          const copy = this.copies[number];
          copy.losses[step] = loss; // by step: hearing it twice changes nothing
          if (loss === null) copy.outAt ??= step + 1;
        });
        this.steps = Math.max(this.steps ?? 0, step + 1);
      });
    } else if (event.event === "CopiesMeasured") {
      event.accuracy.forEach((accuracy, number) => (this.copies[number].accuracy = accuracy));
      this.measured = event.epoch;
    }
  }

  say(text) {
    const note = this.find("note");
    if (note.textContent !== text) note.textContent = text;
  }

  restyle() {
    const theme = themeOf(this.root);
    if (String(theme) === String(this.theme)) return;
    this.theme = theme;
    this.draw();
  }

  // each copy's mean loss over windows of batches; null where it is out
  curves() {
    const count = Math.floor((this.steps ?? 0) / this.window);
    const x = Array.from({ length: count }, (_, i) => ((i + 1) * this.window) / this.data.stepsPerEpoch);
    const curves = this.copies.map(({ losses }) =>
      x.map((_, i) => {
        let sum = 0;
        for (let step = i * this.window; step < (i + 1) * this.window; step += 1) {
          if (losses[step] === null) return null;
          sum += losses[step];
        }
        return sum / this.window;
      }),
    );
    return { x, curves };
  }

  sayMeanwhile() {
    meanwhile(this.find("loss"), this.follower, this.steps, "the first losses");
    meanwhile(this.find("accuracy"), this.follower, this.measured, "the end of the first epoch");
  }

  draw() {
    this.sayMeanwhile();
    if (!window.Plotly || this.ended || !this.theme) return;
    const { x, curves } = this.curves();
    const spread = x.map((_, i) => quantiles(curves.map((curve) => curve[i]).filter((loss) => loss !== null)));
    if (x.length) {
      const traces = this.data.byRate ? this.lines(x, curves) : this.band(x, spread);
      const axes = { x: { title: { text: "Epoch" }, range: [0, this.data.epochs] }, y: { title: { text: "Loss while training (nats)" }, range: [0, TOP] } };
      this.plot("loss", traces, axes);
    }
    if (this.measured) this.drawAccuracy();
    this.drawCopies(spread, curves);
    this.describe(spread);
  }

  band(x, spread) {
    const { band } = this.data.colours;
    const edge = (name, which, fill) => ({
      name, x, y: spread.map((values) => values[which]), mode: "lines", line: { width: 0, color: band },
      fill: fill ? "tonexty" : undefined, fillcolor: fill, showlegend: Boolean(fill), hoverinfo: "skip",
    });
    const pointed = x.length < 3 ? "lines+markers" : "lines";
    return [
      edge("", 0), edge("lowest to highest", 4, `${band}33`),
      edge("", 1), edge("middle half", 3, `${band}66`),
      {
        name: "median", x, y: spread.map((values) => values[2]), mode: pointed, line: { width: 2, color: band },
        customdata: spread, hovertemplate: "median %{y:.3f}<br>%{customdata[0]:.3f} to %{customdata[4]:.3f}<extra></extra>",
      },
    ]; // prettier-ignore
  }

  lines(x, curves) {
    return curves.map((y, number) => ({
      name: this.copies[number].name, x, y, mode: x.length < 3 ? "lines+markers" : "lines",
      line: { width: 1.5, color: shade(number / (curves.length - 1)) },
      hovertemplate: `rate ${this.copies[number].name}: %{y:.3f}<extra></extra>`, showlegend: false,
    })); // prettier-ignore
  }

  drawAccuracy() {
    const there = this.copies.filter((copy) => copy.accuracy !== null);
    const out = this.copies.filter((copy) => copy.outAt !== null);
    const place = ({ number }) => (this.data.byRate ? this.data.rates[number] : number + 1);
    const marks = {
      name: "still in", x: there.map(place), y: there.map((copy) => 100 * copy.accuracy), text: there.map((copy) => copy.name),
      mode: this.data.byRate ? "lines+markers" : "markers", marker: { size: 9, color: this.data.colours.accuracy },
      line: { width: 1, color: this.data.colours.accuracy }, hovertemplate: "%{text}: %{y:.2f} %<extra></extra>",
    };
    const gone = {
      name: "diverged", x: out.map(place), y: out.map(() => 10), text: out.map((copy) => copy.name), mode: "markers",
      marker: { symbol: "x", size: 9, color: this.data.colours.out }, hovertemplate: "%{text}: diverged<extra></extra>",
    }; // prettier-ignore
    const xaxis = this.data.byRate
      ? { title: { text: "Learning rate" }, type: "log", exponentformat: "power", dtick: 1 }
      : { title: { text: "Copy" }, dtick: this.copies.length > 16 ? 4 : 1, range: [0.5, this.copies.length + 0.5] };
    const title = `Accuracy after epoch ${this.measured} (%)`;
    const low = Math.min(...marks.y, out.length ? 10 : 100);
    const range = this.data.byRate || low < 40 ? [0, 100] : [Math.floor(low - 1), Math.ceil(Math.max(...marks.y) + 1)];
    this.plot("accuracy", out.length ? [marks, gone] : [marks], { x: xaxis, y: { title: { text: title }, range } });
  }

  plot(name, traces, axes) {
    const hovermode = name === "loss" && !this.data.byRate ? "x unified" : "closest";
    const layout = { ...layoutOf(this.theme, axes.x, axes.y, "kept"), hovermode };
    const element = this.find(name);
    element.querySelector(".race-skeleton")?.remove();
    // under a finger the toolbar would lie over the legend for good, and scrolling the page would zoom
    const isTouched = window.matchMedia("(pointer: coarse)").matches;
    if (isTouched) layout.dragmode = false;
    window.Plotly.react(element, traces, layout, { ...buttonsOf(`fashion-mnist-race-${this.data.run}-${name}`), displayModeBar: isTouched ? false : "hover" });
    element.dataset.points = traces[0].x.length;
  }

  // a small curve for each copy, before the median of all: what is special about it stands out
  drawCopies(spread, curves) {
    const { band, reference, out } = this.data.colours;
    const width = (this.data.stepsPerEpoch * this.data.epochs) / this.window;
    const points = (values) =>
      values
        .map((loss, i) => (loss === null || loss === undefined ? "" : `${(100 * (i + 1)) / width},${40 - (40 * Math.min(loss, TOP)) / TOP}`))
        .filter(Boolean)
        .join(" ");
    const middle = points(spread.map((values) => values[2]));
    for (const copy of this.copies) {
      const own = curves[copy.number];
      const { card } = copy;
      const isOut = copy.outAt !== null;
      card.classList.toggle("out", isOut);
      card.querySelector(".others").setAttribute("points", middle);
      card.querySelector(".own").setAttribute("points", points(own));
      card.querySelector(".others").setAttribute("stroke", reference);
      card.querySelector(".others").setAttribute("stroke-dasharray", "2 2");
      card.querySelector(".own").setAttribute("stroke", isOut ? out : band);
      card.querySelector(".own").setAttribute("stroke-width", "1.5");
      const last = own.findLast((loss) => loss !== null);
      const accuracy = copy.accuracy === null ? "" : `${(100 * copy.accuracy).toFixed(1)} %`;
      card.querySelector("span").textContent = isOut ? "" : accuracy;
      const stuck = copy.accuracy !== null && copy.accuracy < LEARNED_NOTHING ? "learned nothing" : "";
      const loss = last === undefined ? "…" : `loss ${last < 100 ? last.toFixed(3) : last.toExponential(1)}`;
      card.querySelector("small").textContent = isOut ? `diverged in step ${copy.outAt.toLocaleString("en")}` : stuck || loss;
    }
    this.find("copies").dataset.out = this.copies.filter((copy) => copy.outAt !== null).length;
  }

  describe(spread) {
    const last = spread.at(-1);
    const words = last?.length ? `After ${this.steps} steps the loss is ${last[2].toFixed(3)} in the middle, from ${last[0].toFixed(3)} to ${last[4].toFixed(3)}.` : "";
    this.find("loss").setAttribute("aria-label", `Loss of all copies by epoch. ${words}`);
    const right = this.copies.map((copy) => copy.accuracy).filter((accuracy) => accuracy !== null);
    const range = right.length ? `From ${(100 * Math.min(...right)).toFixed(1)} to ${(100 * Math.max(...right)).toFixed(1)} %.` : "";
    this.find("accuracy").setAttribute("aria-label", `Accuracy of each copy on held-out pictures. ${range}`);
  }
}

// lowest, lower quartile, median, upper quartile, highest
function quantiles(values) {
  if (!values.length) return [];
  const sorted = values.toSorted((a, b) => a - b);
  return [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    return sorted[below] + (place - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
  });
}

// blue for small, orange for large: readable on light and dark, told apart by colour-blind readers
function shade(share) {
  const from = [59, 130, 196], to = [238, 119, 51];
  return `rgb(${from.map((value, i) => Math.round(value + share * (to[i] - value))).join(",")})`;
}
