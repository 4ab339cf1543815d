// Follows one run, and those laid beside it: keeps every loss, draws. See following.js and curve.js.

const WINDOWS = [1, 10, 100, 1000];
const AXES = { epoch: "Epoch", step: "Step", images: "Training images seen", time: "Training time (s)" };

const charts = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let chart = charts.get(parentElement);
  if (!chart) {
    chart = new LiveChart(parentElement, data);
    charts.set(parentElement, chart);
    chart.begin();
  } else chart.update(data);
  chart.reload = (key) => setTriggerValue("drawn_for", key);
  chart.open = (step) => setTriggerValue("step", step);
  chart.restyle(); // the theme may have changed
  return () => {
    chart.end();
    charts.delete(parentElement);
  };
}

class LiveChart {
  constructor(root, data) {
    Object.assign(this, { root, data, ended: false, axis: "epoch", drawnIn: 0, drawnAt: 0, zooms: 0 });
    this.curves = data.curves.map((facts) => new Curve(facts)); // the first is the run itself
    const { stepsPerEpoch, ended, branchedAt } = data.curves[0];
    const shortest = Math.min(stepsPerEpoch, (ended ?? Infinity) - (branchedAt ?? 0)); // a run that ended early has few losses
    this.window = WINDOWS.filter((w) => w <= Math.max(1, shortest / 10)).pop();
    this.find = (name) => root.querySelector(`.live-${name}`);
    this.plots = () => ["loss", "accuracy"].map(this.find);
  }

  begin() {
    const group = this.find("windows");
    group.replaceChildren(
      ...WINDOWS.map((size) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = size === 1 ? "1 batch" : size.toLocaleString("en");
        button.title = size === TUTORIAL ? "1,000 batches, as the tutorial prints it" : `${size} batches`;
        button.setAttribute("role", "radio");
        button.disabled = size > this.curves[0].stepsPerEpoch;
        button.onclick = () => this.choose(size);
        button.onkeydown = (event) => this.step(event, size);
        button.dataset.size = size;
        return button;
      }),
    );
    this.choose(this.window);
    this.root.querySelector(".live-chart").onkeydown = (event) => event.stopPropagation(); // Streamlit listens to "r" and "c"
    this.find("log-y").checked = this.data.now.state === "diverged"; // else all losses but the last lie on the axis
    for (const name of ["log-x", "log-y"]) this.find(name).onchange = () => this.draw();
    this.find("axis").onchange = (event) => {
      this.axis = event.target.value;
      this.draw();
    };
    this.find("csv").onclick = () => this.saveTable();
    this.find("png").onclick = () =>
      window.Plotly?.downloadImage(this.find("loss"), { format: "png", width: 1200, height: 600, scale: 2, filename: this.fileName("loss") });
    this.resized = keepWidth(this.find("plots"), this.plots);
    this.find("whole").onclick = () => {
      this.zooms += 1;
      this.draw();
    };
    loadPlotly(this.data.library).then(() => this.draw(), (error) => this.say(error.message));
    this.followers = this.curves.map((curve, number) => this.follow(curve, number === 0));
    this.tell(this.data.now);
    if (this.data.isNew) this.find("loss").scrollIntoView({ block: "nearest" });
  }

  // Of the others nothing is said.
  follow(curve, isOwn) {
    const hear = (events) => {
      for (const event of events) curve.take(event);
      this.drawSoon();
    };
    const follower = isOwn
      ? new Follower(curve.run, hear, (text) => this.say(text), (now) => this.tell(now))
      : new Follower(curve.run, hear, () => {});
    follower.ask();
    return follower;
  }

  // The script has run again: other runs beside this one, perhaps.
  update(data) {
    this.data = data;
    const wanted = data.curves.map((facts) => facts.run);
    this.curves.forEach((curve, i) => wanted.includes(curve.run) || this.followers[i].end());
    const known = new Map(this.curves.map((curve, i) => [curve.run, [curve, this.followers[i]]]));
    let hasEnded = false;
    const pairs = data.curves.map((facts, i) => {
      const [curve, follower] = known.get(facts.run) ?? [new Curve(facts), null];
      [curve.colour, hasEnded] = [facts.colour, hasEnded || curve.ended !== facts.ended];
      curve.ended = facts.ended;
      return [curve, follower ?? this.follow(curve, i === 0)];
    });
    const isSame = pairs.length === this.curves.length && pairs.every(([curve], i) => curve === this.curves[i]);
    [this.curves, this.followers] = [pairs.map(([curve]) => curve), pairs.map(([, follower]) => follower)];
    if (!isSame || hasEnded) this.draw();
    this.tell(data.now);
  }

  // State and figures; where what the script drew no longer fits them, it runs again, once.
  tell(now) {
    const state = this.root.querySelector(".live-state");
    state.dataset.state = now.state;
    this.sayMeanwhile();
    put(this.find("title"), `${now.title}.`);
    put(this.find("words"), now.words);
    this.find("progress").hidden = FINAL.has(now.state);
    this.find("progress").value = now.progress;
    const list = this.find("figures");
    if (list.children.length !== now.figures.length) {
      list.replaceChildren(...now.figures.map(() => {
        const [figure, label, value] = ["div", "dt", "dd"].map((name) => document.createElement(name));
        value.append(document.createElement("span"), document.createElement("small"));
        figure.append(label, value);
        return figure;
      }));
    }
    now.figures.forEach(({ label, value, note, help }, i) => {
      const figure = list.children[i];
      figure.title = help;
      put(figure.querySelector("dt"), label);
      put(figure.querySelector("span"), value);
      put(figure.querySelector("small"), note);
    });
    if (now.key === this.data.now.key) this.asked = null;
    else if (now.key !== this.asked) this.reload?.((this.asked = now.key));
  }

  end() {
    this.ended = true;
    for (const follower of this.followers) follower.end();
    clearTimeout(this.later);
    this.resized?.disconnect();
    for (const plot of drawn(this.plots())) window.Plotly.purge(plot);
  }

  choose(size) {
    this.window = size;
    for (const button of this.find("windows").children) {
      const chosen = Number(button.dataset.size) === size;
      button.setAttribute("aria-checked", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
    this.draw();
  }

  step(event, size) {
    const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!move) return;
    event.preventDefault();
    const next = this.find("windows").querySelector(`[data-size="${WINDOWS[WINDOWS.indexOf(size) + move]}"]`);
    if (next && !next.disabled) {
      next.focus();
      next.click();
    }
  }

  say(text) {
    put(this.find("note"), text);
  }

  restyle() {
    const theme = themeOf(this.root);
    if (String(theme) === String(this.theme)) return;
    this.theme = theme;
    this.draw();
  }

  // --- Drawing ---

  // Long curves take longer to draw: at most a quarter of the browser's time goes into it.
  drawSoon() {
    if (this.later) return;
    this.later = setTimeout(() => this.draw(), Math.max(0, this.drawnAt + 3 * this.drawnIn - performance.now()));
  }

  draw() {
    clearTimeout(this.later);
    this.later = 0;
    this.sayMeanwhile();
    if (!window.Plotly || this.ended || !this.theme) return;
    const began = performance.now();
    const own = this.curves[0];
    const windows = own.averages(this.window, this.axis);
    if (own.count || own.measured.length > 1) {
      const traces = this.curves.toReversed().flatMap((curve) => this.lossTraces(curve));
      const type = this.find("log-y").checked ? "log" : "linear";
      const title = this.hasTwoMeasures ? "Training objective (nats per image)" : "Loss (nats per image)";
      this.plot("loss", traces, { title, type }, { ...this.marks(), ...this.secondAxis(type) });
      this.find("loss").dataset.points = windows.x.length;
    }
    if (own.measured.length) {
      const traces = this.curves.toReversed().flatMap((curve) => this.accuracyTraces(curve));
      this.plot("accuracy", traces, { title: "Accuracy (%)", range: this.reach() }, this.chance());
    }
    this.describe(windows);
    put(this.find("gap"), this.gap());
    this.drawnAt = performance.now();
    this.drawnIn = this.drawnAt - began;
    this.find("loss").dataset.drawn = this.drawnIn.toFixed(1);
  }

  sayMeanwhile() {
    const own = this.curves[0], follower = this.followers?.[0];
    meanwhile(this.find("loss"), follower, own.count || own.measured.length > 1, "the first losses");
    meanwhile(this.find("accuracy"), follower, own.measured.length, "the accuracy before training");
  }

  // Every loss goes to plotly.js, which leaves out what falls on the same pixels and keeps each peak (line.simplify).
  lossTraces(curve) {
    const isOwn = curve === this.curves[0];
    const colour = curve.colour ?? this.data.colours.train;
    const windows = curve.averages(this.window, this.axis);
    const prefix = isOwn ? "" : `${shown(curve.name)}: `;
    const traces = [];
    if (this.window > 1) {
      traces.push({
        name: `${prefix}each batch`,
        showlegend: false,
        ...curve.raw(this.axis),
        mode: "lines",
        line: { color: colour, width: 1 },
        opacity: 0.22,
        hovertemplate: `%{y:.4f}<extra>${prefix}batch</extra>`,
      });
    }
    traces.push({
      name: isOwn ? "while training" : shown(curve.name),
      ...(this.window > 1 ? windows : curve.raw(this.axis)),
      mode: windows.x.length < 3 ? "lines+markers" : "lines",
      line: { color: colour, width: this.window > 1 ? 1.8 : 1.2 },
      opacity: 0.9,
      hovertemplate: this.window > 1 ? `%{y:.4f}<br>%{text}<extra>${prefix}while training</extra>` : `%{y:.4f}<extra>${prefix}batch</extra>`,
    });
    const points = [];
    if (isOwn) points.push(this.points(curve, "training images", "train", (s) => s.loss, "%{y:.4f}"));
    points.push(this.points(curve, prefix + curve.judge, curve.split, (s) => s.loss, "%{y:.4f}"));
    return [...traces, ...points.map((trace) => (this.hasTwoMeasures ? { ...trace, yaxis: "y2" } : trace))];
  }

  // Whether what training makes small is another measure than the cross-entropy of the points: then each has its own axis.
  get hasTwoMeasures() {
    return this.curves.some((curve) => curve.objective);
  }

  secondAxis(type) {
    if (!this.hasTwoMeasures) return {};
    const log = type === "log" ? this.decades() : {};
    const yaxis2 = { title: { text: "Cross-entropy (nats per image)" }, type, tickmode: "auto", ...log, overlaying: "y", side: "right", showgrid: false, automargin: true };
    return { yaxis2 };
  }

  // A logarithmic axis: a line for each power of ten, or for every few where a run that diverged has passed many.
  decades() {
    let [low, high] = [Infinity, 0];
    for (const { losses, first, count } of this.curves)
      for (const loss of losses.subarray(Math.min(first, count), count)) if (loss > 0 && loss < Infinity) [low, high] = [Math.min(low, loss), Math.max(high, loss)];
    return { dtick: Math.max(1, Math.ceil(Math.log10(high / low) / 6) || 1), exponentformat: "power" };
  }

  accuracyTraces(curve) {
    const isOwn = curve === this.curves[0];
    const prefix = isOwn ? "" : `${shown(curve.name)}: `;
    const value = (score) => 100 * accuracy(score);
    const traces = [this.points(curve, prefix + curve.judge, curve.split, value, "%{y:.2f} %")];
    if (isOwn) traces.unshift(this.points(curve, "training images", "train", value, "%{y:.2f} %"));
    return traces;
  }

  points(curve, name, split, value, template) {
    const colour = curve === this.curves[0] ? this.data.colours[split === "train" ? "train" : "test"] : curve.colour;
    return {
      name,
      x: curve.measured.map((m) => (this.axis === "time" ? m.seconds : curve.at(m.step, this.axis))),
      y: curve.measured.map((m) => value(m[split])),
      mode: "lines+markers",
      line: { color: colour, width: 2, dash: split === "train" ? "dot" : "solid" },
      marker: { size: 7, symbol: split === "train" ? "circle-open" : "circle", color: colour },
      hovertemplate: `${template}<extra>${name}</extra>`,
    };
  }

  // The last epoch's loss while it trained, and that of the same network at rest: why one can lie above the other is said below.
  gap() {
    const own = this.curves[0];
    const last = own.measured.at(-1), before = own.measured.at(-2);
    if (!last || !before || last.step - before.step < 1 || own.objective) return "";
    const losses = own.losses.slice(before.step, last.step).filter(Number.isFinite);
    const judged = last[own.split];
    if (!losses.length || !judged) return "";
    const mean = losses.reduce((a, b) => a + b, 0) / losses.length;
    const steps = last.step - before.step, stretch = steps < own.stepsPerEpoch ? `${steps.toLocaleString("en")} steps` : "epoch";
    return (
      `Loss of the last ${stretch} while training: ${mean.toFixed(3)}. ` +
      `The same network at rest: ${last.train.loss.toFixed(3)} on training images, ${judged.loss.toFixed(3)} on ${own.judge}.`
    );
  }

  // Where a setting was changed while it trained; where a branch leaves its parent.
  marks() {
    const lines = this.curves[0].changes.map((change) => [change.step, `rate ${change.learning_rate}, momentum ${change.momentum}`]);
    if (this.curves[0].branchedAt) lines.push([this.curves[0].branchedAt, "branched off"]);
    const marks = lines.map(([step, text]) => ({ x: this.curves[0].at(step, this.axis), text })).filter(({ x }) => Number.isFinite(x));
    const isLog = this.find("log-x").checked;
    return {
      shapes: marks.map(({ x }) => ({
        type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: this.theme[0], width: 1, dash: "dash" },
      })),
      annotations: marks.map(({ x, text }, i) => ({
        x: isLog ? Math.log10(x) : x, yref: "paper", y: 1 - 0.09 * (i % 3), text, showarrow: false, xanchor: "left", yanchor: "top",
        font: { size: 11 }, bgcolor: this.theme[2], opacity: 0.9,
      })),
    };
  }

  // The accuracy axis begins narrow, and grows.
  reach() {
    const values = this.curves.flatMap((curve) => curve.measured.flatMap((m) => [m[curve.split], m.train].filter(Boolean).map((s) => 100 * accuracy(s))));
    return [Math.max(0, 10 * Math.floor((Math.min(...values) - 5) / 10)), Math.min(100, 10 * Math.ceil((Math.max(...values) + 3) / 10))];
  }

  chance() {
    return {
      shapes: [
        { type: "line", xref: "paper", x0: 0, x1: 1, y0: 10, y1: 10, line: { color: this.data.colours.reference, dash: "dot", width: 1 } },
      ],
      annotations: [
        { xref: "paper", x: 1, y: 10, text: "chance: 10 %", showarrow: false, xanchor: "right", yanchor: "bottom", font: { size: 11 } },
      ],
    };
  }

  plot(name, traces, y, extras) {
    const isLog = this.find("log-x").checked;
    const ends = this.curves.map((curve) => curve.at(curve.ended ?? curve.steps, this.axis)); // as planned, while it trains
    const whole = this.axis === "time" || isLog ? {} : { range: [0, Math.max(...ends)], autorange: false };
    const hoverformat = this.axis === "epoch" ? ".2f" : ",.6~r";
    const xaxis = { title: { text: AXES[this.axis] }, type: isLog ? "log" : "linear", ...whole, hoverformat };
    const yaxis = { ...y, title: { text: y.title }, ...(y.type === "log" ? this.decades() : {}) };
    const layout = { ...layoutOf(this.theme, xaxis, yaxis, `${this.axis}${isLog}${this.zooms}`), hovermode: "x unified", ...extras };
    const element = this.find(name);
    element.querySelector(".live-skeleton")?.remove();
    const isNew = !element.data;
    // no toolbar, which would lie over the legend; a finger that scrolls the page must not zoom
    layout.dragmode = window.matchMedia("(pointer: coarse)").matches ? false : "zoom";
    window.Plotly.react(element, traces, layout, { ...buttonsOf(this.fileName(name)), displayModeBar: false });
    if (isNew && name === "loss") element.on("plotly_click", (event) => this.clicked(event));
  }

  // A click opens the step under it: of this run's own line, the batch whose loss is nearest.
  clicked({ points }) {
    const own = this.curves[0];
    const point = points.find(({ data }) => data.name === "each batch") ?? points.find(({ data }) => data.name === "while training");
    if (point) this.open(own.first + point.pointNumber + 1);
  }

  describe(windows) {
    const own = this.curves[0];
    const last = own.measured.at(-1);
    const loss = windows.y.length ? `The loss while training is ${windows.y.at(-1).toFixed(3)} after ${own.count} batches.` : "";
    this.find("loss").setAttribute("aria-label", `Loss by ${this.axis}. ${loss}`);
    const now = last ? `${(100 * accuracy(last[own.split])).toFixed(2)} % of the ${own.judge} are right after epoch ${last.epoch}.` : "";
    this.find("accuracy").setAttribute("aria-label", `Accuracy by ${this.axis}. ${now}`);
  }

  // --- Files ---

  fileName(what) {
    return `fashion-mnist-${this.curves[0].run}-${what}`;
  }

  saveTable() {
    const lines = [CSV_HEAD, ...this.curves.flatMap((curve) => curve.csv())];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }));
    link.download = `${this.fileName("losses")}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}

const put = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};
