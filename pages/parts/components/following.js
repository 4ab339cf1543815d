// What charts share that follow a run: they ask the app's route for its events (route.py), and draw with plotly.js.

const EVERY = 250; // milliseconds between two questions
const LEAST = 16_384, MOST = 524_288; // bytes of events in an answer: as many as come in about a second
const PATIENCE = 20_000; // milliseconds
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
    Object.assign(this, { run, hear, say, tell, offset: 0, most: 4 * LEAST, pause: EVERY, ended: false });
  }

  async ask() {
    let wait = document.hidden ? 1000 : EVERY;
    const asked = performance.now();
    try {
      const now = this.tell ? "&now=1" : "";
      const address = new URL(`api/runs/${this.run}/events?after=${this.offset}&most=${this.most}${now}`, base());
      const answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE) });
      if (this.ended) return;
      if (answer.status === 404) return this.say("This run has been deleted.");
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      const news = await answer.json();
      if (this.ended) return;
      this.pause = EVERY;
      [this.answered, this.isOver] = [true, FINAL.has(news.state) && !news.more];
      this.say("");
      const took = performance.now() - asked;
      if (news.more) this.most = took < 500 ? Math.min(2 * this.most, MOST) : took > 2000 ? Math.max(this.most / 2, LEAST) : this.most;
      this.offset = news.next;
      if (news.events.length) this.hear(news.events);
      if (news.now) this.tell?.(news.now);
      wait = Math.max(wait, news.again ?? 0); // the more follow, the later
      if (news.more) wait = 0;
      else if (FINAL.has(news.state)) return; // nothing will ever come
      else if (news.state === "paused") wait = Math.max(wait, 1000);
    } catch {
      if (this.ended) return;
      this.most = LEAST; // what has come is kept: the next question is about the rest
      this.pause = wait = Math.min(2 * this.pause, 5000);
      this.say("No answer from the server: the run goes on, asking again …");
    }
    this.timer = setTimeout(() => this.ask(), wait);
  }

  end() {
    this.ended = true;
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
