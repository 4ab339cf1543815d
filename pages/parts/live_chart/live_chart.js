// Follows one run: polls its events, keeps every loss, draws averages. See route.py for what the server answers.

const WINDOWS = [1, 10, 100, 1000];
const TUTORIAL = 1000; // the tutorial prints the average of every 1,000 batches
const EVERY = 250; // milliseconds between two questions
const POINTS = 4000; // more than a screen can show; beyond that, only each stretch's extremes are drawn
const FINAL = new Set(["finished", "stopped", "diverged", "failed"]);

const charts = new WeakMap();

export default function ({ data, parentElement }) {
  let chart = charts.get(parentElement);
  if (!chart) {
    chart = new LiveChart(parentElement, data);
    charts.set(parentElement, chart);
    chart.begin();
  }
  chart.restyle(); // the theme may have changed
  return () => {
    chart.end();
    charts.delete(parentElement);
  };
}

// plotly.js is 4 MB: asked for once a page, kept by the browser for ever
function loadPlotly(version) {
  window.fmnistPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(`api/plotly.js?v=${version}`, base());
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => {
      window.fmnistPlotly = undefined;
      reject(new Error("The chart library did not load"));
    };
    document.head.append(script);
  });
  return window.fmnistPlotly;
}

// pages are one step below the app's root, wherever a proxy may have put it
const base = () => new URL(".", window.location.href);

class LiveChart {
  constructor(root, data) {
    Object.assign(this, { root, data, offset: 0, ended: false, pause: EVERY, count: 0, measured: [], state: "" });
    this.losses = new Float32Array(4096);
    this.window = WINDOWS.filter((w) => w <= Math.max(1, data.stepsPerEpoch / 10)).pop();
    this.find = (name) => root.querySelector(`.live-${name}`);
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
        button.disabled = size > this.data.stepsPerEpoch;
        button.onclick = () => this.choose(size);
        button.onkeydown = (event) => this.step(event, size);
        button.dataset.size = size;
        return button;
      }),
    );
    this.choose(this.window);
    this.find("log").onchange = () => this.draw();
    // the page's width changes with the menu; plotly.js only listens to the browser window
    this.resized = new ResizeObserver(() => {
      for (const name of ["loss", "accuracy"]) if (this.find(name)?.data) window.Plotly.Plots.resize(this.find(name));
    });
    this.resized.observe(this.find("plots"));
    loadPlotly(this.data.library).then(() => this.draw(), (error) => this.say(error.message));
    this.poll();
  }

  end() {
    this.ended = true;
    clearTimeout(this.timer);
    this.resized?.disconnect();
    for (const name of ["loss", "accuracy"]) if (this.find(name)?.data) window.Plotly.purge(this.find(name));
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
    event.stopPropagation(); // Streamlit listens to "r" and "c"
    if (!move) return;
    event.preventDefault();
    const next = this.find("windows").querySelector(`[data-size="${WINDOWS[WINDOWS.indexOf(size) + move]}"]`);
    if (next && !next.disabled) {
      next.focus();
      next.click();
    }
  }

  async poll() {
    let wait = document.hidden ? 1000 : EVERY;
    try {
      const address = new URL(`api/runs/${this.data.run}/events?after=${this.offset}`, base());
      const answer = await fetch(address, { signal: AbortSignal.timeout(10_000) });
      if (this.ended) return;
      if (answer.status === 404) return this.say("This run has been deleted.");
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      const news = await answer.json();
      if (this.ended) return;
      this.pause = EVERY;
      this.say("");
      this.offset = news.next;
      this.state = news.state;
      for (const event of news.events) this.take(event);
      if (news.events.length) this.draw();
      if (news.more) wait = 0;
      else if (FINAL.has(news.state)) return; // nothing will ever come
      else if (news.state === "paused") wait = 1000;
    } catch {
      if (this.ended) return;
      this.pause = wait = Math.min(2 * this.pause, 5000);
      this.say("No answer from the server: the run goes on, asking again …");
    }
    this.timer = setTimeout(() => this.poll(), wait);
  }

  take(event) {
    if (event.event === "Losses") {
      const end = event.step + event.losses.length;
      if (end > this.losses.length) {
        const larger = new Float32Array(Math.max(2 * this.losses.length, end));
        larger.set(this.losses);
        this.losses = larger;
      }
      this.losses.set(event.losses, event.step); // by step: hearing it twice changes nothing
      this.count = Math.max(this.count, end);
    } else if (event.event === "Measured" && !this.measured.some((known) => known.step === event.step)) {
      this.measured.push(event);
    }
  }

  say(text) {
    const note = this.find("note");
    if (note.textContent !== text) note.textContent = text;
  }

  restyle() {
    const style = getComputedStyle(this.root);
    const theme = ["--st-text-color", "--st-border-color", "--st-background-color", "--st-font"].map((name) =>
      style.getPropertyValue(name).trim(),
    );
    if (String(theme) === String(this.theme)) return;
    this.theme = theme;
    this.draw();
  }

  // The mean of each window of batches; windows do not reach over the end of an epoch, as in the tutorial.
  averages() {
    const { stepsPerEpoch } = this.data;
    const x = [], y = [], text = [];
    for (let epochStart = 0; epochStart < this.count; epochStart += stepsPerEpoch) {
      const epochEnd = epochStart + stepsPerEpoch;
      for (let from = epochStart; from < epochEnd; from += this.window) {
        const to = Math.min(from + this.window, epochEnd);
        if (to > this.count) break;
        if (this.window === TUTORIAL && to - from < TUTORIAL) break; // the tutorial prints full windows only
        let sum = 0;
        for (let step = from; step < to; step += 1) sum += this.losses[step];
        x.push(to / stepsPerEpoch);
        y.push(sum / (to - from));
        text.push(`batches ${(from + 1).toLocaleString("en")} to ${to.toLocaleString("en")}`);
      }
    }
    return x.length > POINTS ? thin(x, y, text) : { x, y, text };
  }

  draw() {
    if (!window.Plotly || this.ended || !this.theme) return;
    const { colours } = this.data;
    const line = (name, split, what, dash) => ({
      name,
      x: this.measured.map((m) => m.epoch),
      y: this.measured.map((m) => what(m[split])),
      mode: "lines+markers",
      line: { color: colours[split], width: 2, dash },
      marker: { size: 7, symbol: split === "test" ? "circle" : "circle-open", color: colours[split] },
      hovertemplate: `%{y:.4f}<extra>${name}</extra>`,
    });
    const sum = (counts) => counts.reduce((a, b) => a + b, 0);
    const accuracy = (score) => (100 * sum(score.correct)) / sum(score.total);
    const windows = this.averages();
    if (this.count || this.measured.length > 1) {
      const loss = [
        {
          name: "batches, while training",
          ...windows,
          mode: windows.x.length < 3 ? "lines+markers" : "lines",
          line: { color: colours.train, width: 1.5 },
          opacity: 0.75,
          hovertemplate: "%{y:.4f}<br>%{text}<extra>loss while training</extra>",
        },
        line("training images", "train", (s) => s.loss, "dot"),
        line("test images", "test", (s) => s.loss),
      ];
      this.plot("loss", loss, { title: "Loss (nats per image)", type: this.find("log").checked ? "log" : "linear" });
    }
    if (this.measured.length) {
      const traces = [line("training images", "train", accuracy, "dot"), line("test images", "test", accuracy)];
      for (const trace of traces) trace.hovertemplate = trace.hovertemplate.replace("%{y:.4f}", "%{y:.2f} %");
      this.plot("accuracy", traces, { title: "Accuracy (%)", range: [0, 100] }, [
        { type: "line", xref: "paper", x0: 0, x1: 1, y0: 10, y1: 10, line: { color: colours.reference, dash: "dot", width: 1 } },
      ]);
    }
    this.describe(windows, accuracy);
  }

  plot(name, traces, y, shapes = []) {
    const [text, border, background, font] = this.theme;
    const axis = { gridcolor: border, zerolinecolor: border, linecolor: border, automargin: true };
    const layout = {
      uirevision: "kept", // zoom and hidden lines stay while points arrive
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: text, family: font, size: 12 },
      margin: { l: 8, r: 8, t: 40, b: 8 },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      hovermode: "x unified",
      hoverlabel: { bgcolor: background, bordercolor: border, font: { color: text } },
      xaxis: { ...axis, title: { text: "Epoch" }, range: [0, this.data.epochs], autorange: false, hoverformat: ".2f" },
      yaxis: { ...axis, ...y, title: { text: y.title }, ...(y.type === "log" ? { dtick: 1 } : {}) },
      shapes,
      annotations: shapes.length
        ? [{ xref: "paper", x: 1, y: 10, text: "chance: 10 %", showarrow: false, xanchor: "right", yanchor: "bottom", font: { size: 11 } }]
        : [],
    };
    const config = {
      responsive: false,
      displaylogo: false,
      modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
      toImageButtonOptions: { filename: `fashion-mnist-${this.data.run}-${name}`, scale: 2 },
    };
    const element = this.find(name);
    element.querySelector(".live-skeleton")?.remove();
    window.Plotly.react(element, traces, layout, config);
    element.dataset.points = traces[0].x.length;
  }

  describe(windows, accuracy) {
    const last = this.measured.at(-1);
    const loss = windows.y.length ? `The loss while training is ${windows.y.at(-1).toFixed(3)} after ${this.count} batches.` : "";
    this.find("loss").setAttribute("aria-label", `Loss by epoch. ${loss}`);
    const now = last ? `${accuracy(last.test).toFixed(2)} % of the test images are right after epoch ${last.epoch}.` : "";
    this.find("accuracy").setAttribute("aria-label", `Accuracy by epoch. ${now}`);
  }
}

// For the screen only: the lowest and the highest point of each stretch, so that no peak is lost.
function thin(x, y, text) {
  const kept = { x: [], y: [], text: [] };
  const stretch = Math.ceil((2 * x.length) / POINTS);
  for (let from = 0; from < x.length; from += stretch) {
    let low = from, high = from;
    for (let i = from; i < Math.min(from + stretch, x.length); i += 1) {
      if (y[i] < y[low]) low = i;
      if (y[i] > y[high]) high = i;
    }
    for (const i of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) {
      kept.x.push(x[i]);
      kept.y.push(y[i]);
      kept.text.push(text[i]);
    }
  }
  return kept;
}
