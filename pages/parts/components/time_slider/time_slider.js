// All kept moments of a run are fetched once; dragging then draws in the browser. The server follows when it is let go.

const SECONDS_TO_PLAY = 8; // from the first moment to the last
const FOLLOW = { released: 150, playing: 1500 }; // milliseconds until the server is told
const POSITIVE = "#6b74e6", NEGATIVE = "#ee7733"; // a weight's sign; blue and orange are told apart by everybody

export default (given) => live(given, TimeSlider, ".time", "moved");

class TimeSlider {
  constructor(root) {
    Object.assign(this, { root, at: null, shown: null, held: false, playing: 0, telling: 0, labels: null });
    Object.assign(this, { predicted: new Map(), filters: new Map(), ended: false });
    this.find = (name) => root.querySelector(`.${name}`);
    this.range = root.querySelector("input");
    this.range.oninput = () => this.moveTo(Number(this.range.value));
    this.range.onpointerdown = () => (this.held = true);
    this.range.onpointerup = this.range.onpointercancel = this.range.onchange = () => {
      this.held = false;
      this.follow(FOLLOW.released);
    };
    root.onkeydown = (event) => this.pressed(event);
    this.find("play").onclick = () => this.play(!this.playing);
    this.find("back").onclick = () => this.step(-1);
    this.find("forth").onclick = () => this.step(1);
    this.find("fold").onclick = () => this.fold(!this.find("views").hidden, true);
    this.find("strip").onclick = (event) => {
      const tick = [...this.find("strip").children].indexOf(event.target);
      if (tick >= 0) this.step(tick - this.at);
    };
    // What the server drew is dimmed until it is about this moment: late, never wrong.
    this.script = new ScriptState(() => this.dim());
  }

  end() {
    this.ended = true;
    this.play(false);
    clearTimeout(this.telling);
    this.script.end();
    document.body.classList.remove("time-moves");
  }

  show(data) {
    const first = this.at === null;
    const wasLast = !first && this.at === this.data.steps.length - 1;
    const stepBefore = first ? null : this.data.steps[this.at];
    this.data = data;
    const { steps } = data;
    this.range.max = steps.length - 1;
    const isOurs = this.held || this.playing || this.telling; // a person is moving it: the server is behind
    const place = steps.indexOf(data.shown);
    if (first || (!isOurs && data.shown !== this.shown)) this.at = place;
    else if (!wasLast || isOurs) this.at = Math.max(0, steps.indexOf(stepBefore));
    else this.at = place;
    this.shown = data.shown;
    this.fold(!data.logits && !remembered(), false); // of one image, the panel is what the slider is for
    this.root.classList.toggle("of-one", Boolean(data.logits));
    this.root.classList.toggle("of-all", !data.logits);
    this.root.classList.toggle("compact", data.compact);
    this.build();
    this.draw();
    this.fetch();
  }

  // The panel below the bar: open or not is a habit of the person, kept by the browser.
  fold(closed, remember) {
    this.find("views").hidden = closed;
    const button = this.find("fold");
    button.hidden = Boolean(this.data?.logits);
    button.setAttribute("aria-expanded", String(!closed));
    button.textContent = closed ? "Show classes and filters" : "Hide classes and filters";
    if (remember) keep(!closed);
  }

  // --- Moments: one line of JSON, then bytes (route.py) ---

  // A run that trains also fills in moments between those that are there: whatever is missing is asked for.
  async fetch() {
    if (this.fetching) return;
    this.fetching = true;
    try {
      const next = () => [this.data.shown, ...this.data.steps].find((step) => !this.predicted.has(step));
      for (let missing; !this.ended && (missing = next()) !== undefined; ) {
        const address = new URL(`api/runs/${this.data.run}/moments?after=${missing - 1}`, base());
        const answer = await fetch(address, { signal: AbortSignal.timeout(20_000) });
        if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
        this.take(await answer.arrayBuffer());
        if (!this.predicted.has(missing)) throw new Error("this moment is not there");
        this.draw();
      }
      this.say("");
    } catch {
      this.say("Some moments of this run did not come: reload the page to ask again.");
    }
    this.fetching = false;
  }

  take(buffer) {
    const bytes = new Uint8Array(buffer);
    let from = bytes.indexOf(10) + 1;
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, from)));
    const next = (count) => bytes.slice(from, (from += count));
    const images = this.data.images;
    this.labels = next(images);
    for (const step of head.steps) this.predicted.set(step, next(images));
    if (head.filters) {
      const size = head.filters.reduce((a, b) => a * b, 1);
      this.shape = head.filters;
      for (const step of head.filterSteps) this.filters.set(step, new Float32Array(next(4 * size).buffer));
      this.largest = Math.max(...[...this.filters.values()].map((all) => all.reduce((a, b) => Math.max(a, Math.abs(b)), 0)), 1e-9);
    }
  }

  // --- Moving ---

  get last() {
    return this.data.steps.length - 1;
  }

  moveTo(place) {
    this.at = Math.max(0, Math.min(this.last, place));
    this.draw();
    tellMoment(this.data.run, this.data.steps[this.at]); // what else computes in the browser moves along
    this.dim();
    if (!this.held) this.follow(this.playing ? FOLLOW.playing : FOLLOW.released);
  }

  step(by) {
    this.play(false);
    this.moveTo(this.at + by);
  }

  follow(wait) {
    if (this.playing && this.telling) return; // the server is told at a lower rate than the eye
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      this.telling = 0;
      const step = this.data.steps[this.at];
      if (step !== this.shown) this.tell(step);
      this.dim();
    }, wait);
  }

  play(on) {
    clearInterval(this.playing);
    this.playing = 0;
    const button = this.find("play");
    button.classList.toggle("playing", on);
    button.setAttribute("aria-label", on ? "Stop playing" : "Play");
    if (!on) return;
    if (this.at === this.last) this.at = -1;
    this.playing = setInterval(() => {
      if (this.at >= this.last) {
        this.play(false);
        this.follow(FOLLOW.released);
      } else this.moveTo(this.at + 1);
    }, Math.max(50, (1000 * SECONDS_TO_PLAY) / this.data.steps.length));
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // Streamlit listens to "r" and "c", and the page has shortcuts of its own
    if (event.key === " " && event.target === this.range) {
      event.preventDefault();
      this.play(!this.playing);
    } else if (event.target === this.range) this.play(false);
  }

  dim() {
    if (this.data.logits || this.data.compact) return; // of one image, everything that moves is in here
    const isBehind = this.data.steps[this.at] !== this.shown || this.script.isRunning;
    document.body.classList.toggle("time-moves", isBehind && (this.moved ||= this.data.steps[this.at] !== this.shown));
    if (!isBehind) this.moved = false;
  }

  // --- Drawing ---

  build() {
    const { classes, colours, logits, trueClass } = this.data;
    const wanted = JSON.stringify([Boolean(logits), trueClass]);
    if (wanted !== this.built) {
      this.built = wanted;
      const part = (kind, text = "") => {
        const element = document.createElement("div");
        element.className = kind;
        element.textContent = text;
        return element;
      };
      this.rows = classes.map((name, i) => {
        const row = { name: part("name", name), line: part("line"), share: part("share"), cells: [] };
        row.line.append(document.createElement("i"));
        row.line.style.setProperty("--class", colours[i]);
        row.name.classList.toggle("true", i === trueClass);
        if (!logits) row.cells = classes.map((_, j) => part(i === j ? "cell right" : "cell"));
        return row;
      });
      const heads = [part("head"), part("head", logits ? "Probability" : "Accuracy of each class"), part("head")];
      if (!logits) heads.unshift(part("head"), part("head"), part("head"), part("head across", "Predicted class (rows: true class)"));
      if (!logits) heads.push(...classes.map((name) => part("head to", name)));
      this.find("classes").replaceChildren(...heads, ...this.rows.flatMap((row) => [row.name, row.line, row.share, ...row.cells]));
    }
    const strip = this.find("strip");
    strip.style.display = logits ? "flex" : "none";
    if (!logits) return;
    const guesses = logits.map(best);
    strip.replaceChildren(
      ...guesses.map((guess, i) => {
        const tick = document.createElement("span");
        tick.style.setProperty("--class", colours[guess]);
        tick.classList.toggle("right", guess === trueClass);
        tick.title = `${this.words(i)}: ${classes[guess]}${guess === trueClass ? ", right" : ", wrong"}`;
        return tick;
      }),
    );
    const right = guesses.filter((guess) => guess === trueClass).length;
    strip.setAttribute("aria-label", `Biography: right at ${right} of ${guesses.length} moments, now ${classes[guesses.at(-1)]}`);
  }

  words(place) {
    const step = this.data.steps[place];
    return `Step ${step.toLocaleString("en")}, epoch ${(step / this.data.stepsPerEpoch).toFixed(2)}`;
  }

  draw() {
    const { steps, logits } = this.data;
    const step = steps[this.at];
    this.range.value = this.at;
    this.find("back").disabled = this.at <= 0;
    this.find("forth").disabled = this.at >= this.last;
    const predicted = this.predicted.get(step);
    this.root.classList.toggle("waiting", !predicted && !logits);
    const correct = predicted ? this.count(predicted) : null;
    if (logits) this.drawOne(logits[this.at]);
    else if (predicted) this.drawAll();
    this.drawFilters(step);
    const share = correct === null || logits ? "" : `${((100 * correct) / (this.labels.length - this.data.leftOut.length)).toFixed(2)}\u00a0%\u00a0right`;
    this.find("where").innerHTML = `<b>${this.words(this.at)}</b>${share && ` · ${share}`}`;
    this.range.setAttribute("aria-valuetext", `${this.words(this.at)}. ${this.spoken ?? share}`);
    this.root.dataset.step = step;
    this.root.dataset.ready = String(Boolean(predicted));
  }

  // (true class, predicted class) counts of this moment; gives the number of right ones
  count(predicted) {
    this.matrix = new Uint32Array(100);
    let correct = 0;
    const leftOut = new Set(this.data.leftOut);
    for (let i = 0; i < predicted.length; i += 1) {
      if (leftOut.has(i)) continue;
      this.matrix[10 * this.labels[i] + predicted[i]] += 1;
      correct += this.labels[i] === predicted[i];
    }
    return correct;
  }

  drawAll() {
    const highest = this.matrix.reduce((a, b) => Math.max(a, b), 1);
    this.rows.forEach((row, i) => {
      const counts = this.matrix.subarray(10 * i, 10 * i + 10);
      const total = counts.reduce((a, b) => a + b, 0);
      const share = total ? counts[i] / total : 0;
      row.line.style.setProperty("--share", share);
      row.share.textContent = `${(100 * share).toFixed(1)} %`;
      row.cells.forEach((cell, j) => {
        const depth = Math.sqrt(counts[j] / highest); // a square root: small counts stay visible
        cell.style.setProperty("--share", depth);
        cell.classList.toggle("dark", depth > 0.55);
        cell.textContent = counts[j] || "";
        cell.title = `${this.data.classes[i]} predicted as ${this.data.classes[j]}: ${counts[j]}`;
      });
    });
  }

  drawOne(logits) {
    const top = Math.max(...logits);
    const weights = logits.map((value) => Math.exp(value - top));
    const sum = weights.reduce((a, b) => a + b, 0);
    const guess = best(logits);
    this.rows.forEach((row, i) => {
      row.line.style.setProperty("--share", weights[i] / sum);
      row.share.textContent = `${((100 * weights[i]) / sum).toFixed(1)} %`;
      for (const part of [row.name, row.share]) part.classList.toggle("guess", i === guess);
    });
    this.spoken = `Predicted ${this.data.classes[guess]}, ${((100 * weights[guess]) / sum).toFixed(0)} % sure`;
    [...this.find("strip").children].forEach((tick, i) => tick.classList.toggle("now", i === this.at));
  }

  drawFilters(step) {
    const figure = this.find("filters");
    const at = Math.max(...[...this.filters.keys()].filter((known) => known <= step));
    figure.hidden = !Number.isFinite(at);
    if (figure.hidden) return;
    const [count, height, width] = this.shape;
    const values = this.filters.get(at);
    const across = count <= 10 ? 5 : 8, gap = 1;
    const cell = height > 10 ? 2 : Math.floor(360 / (across * (width + gap)));
    const rows = Math.ceil(count / across);
    const canvas = figure.querySelector("canvas");
    const names = height === 28 && count === this.data.classes.length ? this.data.classes : []; // softmax regression
    const label = names.length ? 14 : 0; // pixels below each picture
    const size = [cell * (across * (width + gap) - gap), cell * (rows * (height + gap) - gap) + rows * label];
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    const context = canvas.getContext("2d");
    const paper = getComputedStyle(this.root).getPropertyValue("--st-secondary-background-color").trim();
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < values.length; i += 1) {
      const filter = Math.floor(i / (height * width)), pixel = i % (height * width);
      const x = ((filter % across) * (width + gap) + (pixel % width)) * cell;
      const y = (Math.floor(filter / across) * (height + gap) + Math.floor(pixel / width)) * cell + Math.floor(filter / across) * label;
      context.globalAlpha = 1;
      context.fillStyle = paper;
      context.fillRect(x, y, cell, cell);
      context.globalAlpha = Math.abs(values[i]) / this.largest;
      context.fillStyle = values[i] > 0 ? POSITIVE : NEGATIVE;
      context.fillRect(x, y, cell, cell);
    }
    context.globalAlpha = 1;
    context.fillStyle = getComputedStyle(this.root).color;
    context.font = `11px ${getComputedStyle(this.root).fontFamily}`;
    names.forEach((name, i) => {
      const [column, row] = [i % across, Math.floor(i / across)];
      context.fillText(name, column * (width + gap) * cell, (row + 1) * (cell * (height + gap) + label) - 4, width * cell);
    });
    const kind = names.length ? "The weights of each class, pixel by pixel" : height === 28 ? "The weights of each unit, pixel by pixel" : `The ${count} filters of the first convolution`;
    canvas.setAttribute("aria-label", `${kind}, after step ${at.toLocaleString("en")}`);
    figure.querySelector("figcaption").textContent =
      `${kind}: violet adds, orange subtracts; one scale for all moments.` +
      (at === step ? "" : ` Kept last after step ${at.toLocaleString("en")}.`);
  }

  say(text) {
    this.find("note").textContent = text;
  }
}

// the class of the highest score; the lower one where two are equal
const best = (scores) => scores.indexOf(Math.max(...scores));

const HABIT = "fmnist-time-panel";

function remembered() {
  try {
    return window.localStorage.getItem(HABIT) === "open";
  } catch {
    return false; // a browser that keeps nothing
  }
}

function keep(isOpen) {
  try {
    window.localStorage.setItem(HABIT, isOpen ? "open" : "closed");
  } catch {
    // next time it is closed again
  }
}
