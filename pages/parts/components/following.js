// What charts share that follow a run: they ask the app's route for its events (route.py), and draw with plotly.js.

const EVERY = 250; // milliseconds between two questions
const LEAST = 16_384, MOST = 524_288; // bytes of events in an answer: as many as come in about a second
const FINAL = new Set(["finished", "stopped", "diverged", "failed"]);

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

// Hears all events of a run, from the first on, until none will ever come. `hear(events)`; `say(text)`: "" when all is well;
// `tell(now)`, where it is wanted: what stands above a chart, once with every answer.
class Follower {
  constructor(run, hear, say, tell = null) {
    const asking = new Asking(say, "No answer from the server: the run goes on, asking again …");
    Object.assign(this, { run, hear, say, tell, asking, offset: 0, most: 4 * LEAST, ended: false });
  }

  async ask() {
    const asked = performance.now();
    const now = this.tell ? "&now=1" : "";
    const news = await this.asking.get(new URL(`api/runs/${this.run}/events?after=${this.offset}&most=${this.most}${now}`, base()));
    if (this.ended) return;
    if (news === null) return this.say("This run has been deleted.");
    if (!news) this.most = LEAST; // what has come is kept: the next question is about the rest
    const wait = news ? this.after(news, performance.now() - asked) : this.asking.pause;
    if (wait !== Infinity) this.timer = setTimeout(() => this.ask(), wait); // whatever comes of what is heard
    if (news?.events.length) this.hear(news.events);
    if (news?.now) this.tell?.(news.now);
  }

  // Milliseconds until the next question; Infinity where nothing will ever come. `took`: milliseconds that the answer has taken.
  after(news, took) {
    [this.answered, this.isOver] = [true, FINAL.has(news.state) && !news.more];
    this.offset = news.next;
    if (news.more) {
      this.most = took < 500 ? Math.min(2 * this.most, MOST) : took > 2000 ? Math.max(this.most / 2, LEAST) : this.most;
      return 0;
    }
    if (FINAL.has(news.state)) return Infinity;
    const least = document.hidden || news.state === "paused" ? 1000 : EVERY;
    return Math.max(least, news.again ?? 0); // the more follow, the later
  }

  end() {
    this.ended = this.asking.ended = true;
    clearTimeout(this.timer);
  }
}

// What stands in a chart's place until it is drawn: what is true. `has`: there is something to draw; `awaited`: what it would be.
function meanwhile(plot, follower, has, awaited) {
  const place = plot.querySelector(".live-skeleton, .race-skeleton");
  if (!place) return;
  const absent = follower?.answered ? (follower.isOver ? "Nothing was recorded." : `Waiting for ${awaited} …`) : "Loading …";
  const text = has ? "Drawing …" : absent;
  if (place.textContent !== text) place.textContent = text;
}

// Text from people for plotly.js, which reads some HTML in names and "%{…}" under the mouse: as it is (views/text.py).
const shown = (name) => name.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("%{", "%\u2060{");

// Text, lines, background and font of the page as it is now.
function themeOf(root) {
  const style = getComputedStyle(root);
  return ["--st-text-color", "--st-border-color", "--st-background-color", "--st-font"].map((name) => style.getPropertyValue(name).trim());
}

// The look of all of them. `kept`: while it is the same, zoom and hidden lines stay as points arrive.
function layoutOf([text, border, background, font], x, y, kept) {
  const axis = { gridcolor: border, zerolinecolor: border, linecolor: border, automargin: true };
  return {
    uirevision: kept,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: text, family: font, size: 12 },
    margin: { l: 8, r: 8, t: 40, b: 8 },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    hoverlabel: { bgcolor: background, bordercolor: border, font: { color: text } },
    xaxis: { ...axis, ...x },
    yaxis: { ...axis, ...y },
  };
}

const buttonsOf = (filename) => ({
  responsive: false,
  displaylogo: false,
  modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
  toImageButtonOptions: { filename, scale: 2 },
});

// The page's width changes with the menu; plotly.js only listens to the browser window. `plots`: () => elements.
function keepWidth(around, plots) {
  const observer = new ResizeObserver(() => drawn(plots()).forEach((plot) => window.Plotly.Plots.resize(plot)));
  observer.observe(around);
  return observer;
}

const drawn = (plots) => plots.filter((plot) => plot?.data);
