// The way of one picture through the network. Weights are fetched once a moment; everything else is computed here.

const INK = [107, 116, 230], CUT = [238, 119, 51]; // positive values; what ReLU cuts. Told apart by everybody
const NARROW = 760;
const ROOM = 48e6; // bytes of weights that stay in memory: 110 kB a moment for the tutorial's network
const MOST_PIXELS = 24e6; // of what is drawn over the maps: a telephone's memory is small

export default (given) => live(given, Microscope, ".inside", "selected");

class Microscope {
  constructor(root) {
    Object.assign(this, { root, weights: new Map(), views: [], hovered: null, selected: null, channel: null, step: null, wanted: null });
    this.find = (name) => root.querySelector(`.${name}`);
    this.over = this.find("over");
    this.sum = this.find("sum");
    this.resized = new ResizeObserver(() => this.layout());
    this.resized.observe(root);
    this.deaf = onMoment((run, step) => run === this.data?.run && this.moveTo(step));
    this.sum.onclick = (event) => this.followed(event);
    this.sum.addEventListener("toggle", (event) => event.target.matches(".soft") && (this.soft = event.target.open), true);
    this.find("scales").onclick = (event) => {
      const { scale } = event.target.dataset;
      if (!scale) return;
      this.data.perLayer = scale === "layer";
      this.layout();
      this.tell({ scale });
    };
    this.find("fold").onclick = () => this.fold((this.keepsClosed = !this.find("below").classList.contains("closed")));
    root.onkeydown = (event) => this.pressed(event);
  }

  end() {
    this.ended = true;
    this.resized.disconnect();
    this.deaf();
  }

  show(data) {
    const before = this.data;
    this.data = data;
    if (before && (before.run !== data.run || before.edits !== data.edits)) this.weights.clear();
    if (JSON.stringify(before?.graph) !== JSON.stringify(data.graph)) this.open();
    if (before?.picture !== data.picture || JSON.stringify(before?.standardise) !== JSON.stringify(data.standardise)) this.takePicture();
    const { layer, unit, place } = data.selected;
    if (JSON.stringify(before?.selected) !== JSON.stringify(data.selected) || !this.selected) {
      this.selected = { stage: this.stages.find((stage) => stage.name === layer) ?? this.stages.at(-1), unit, place };
      this.channel = this.hovered = null; // also where a finger has left its mark
    }
    this.unfold();
    this.moveTo(data.step);
  }

  // --- Weights ---

  // The moment `step`, or the last one before it whose weights are kept. The newest wish wins.
  async moveTo(step) {
    const kept = this.data.steps.filter((known) => known <= step).at(-1) ?? this.data.steps[0];
    this.wanted = kept;
    if (this.weights.has(kept)) return this.compute(kept);
    if (this.fetching) return;
    this.fetching = true;
    try {
      while (!this.ended && !this.weights.has(this.wanted)) {
        const { run, edits } = this.data, at = this.wanted;
        const address = new URL(`api/runs/${run}/weights?${new URLSearchParams({ step: at, edits })}`, base());
        const answer = await fetch(address, { signal: AbortSignal.timeout(60_000) });
        if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
        const { tensors } = unpack(await answer.arrayBuffer());
        if (run !== this.data.run || edits !== this.data.edits) continue;
        const bytes = [...tensors.values()].reduce((sum, tensor) => sum + tensor.byteLength, 0);
        while (this.weights.size && (this.weights.size + 1) * bytes > ROOM) this.weights.delete(this.weights.keys().next().value);
        this.weights.set(at, tensors);
      }
      if (!this.ended) await this.compute(this.wanted);
    } catch {
      if (!this.ended) this.say("The weights of this moment did not come: reload the page to ask again.");
    }
    this.fetching = false;
  }

  async compute(step) {
    const began = performance.now(), task = (this.task = {}), net = new Net(this.data.graph.nodes, this.weights.get(step));
    if (!(await unhurried(net.computing(this.input), () => !this.ended && this.task === task, (text) => this.say(text)))) return;
    this.step = step;
    this.net = net;
    this.say("");
    this.root.dataset.step = step;
    this.root.dataset.computed = (performance.now() - began).toFixed(1);
    this.layout();
    this.root.dataset.drawn = (performance.now() - began).toFixed(1);
    this.root.dataset.ready = "true";
  }

  takePicture() {
    this.picture = Uint8Array.from(atob(this.data.picture), (character) => character.charCodeAt(0));
    const f = Math.fround, [mean, deviation] = this.data.standardise ?? [0, 1];
    this.input = Float32Array.from(this.picture, (value) => f(f(f(value / 255) - f(mean)) / f(deviation)));
  }

  // --- Building and laying out ---

  // another network
  open() {
    const { nodes, stages } = this.data.graph;
    this.nodes = new Map(nodes.map((node) => [node.name, node]));
    this.stages = stages;
    this.input_stage = { name: "input", label: "Picture", nodes: ["input"], reads: [], shape: [1, 28, 28] };
    this.net = this.selected = this.block = null;
    this.root.classList.toggle("folded", stages.length > FOLDED);
  }

  // the block that the chosen value is in, with everything in it
  unfold() {
    const block = blockOf(this.stages, this.selected.stage), focused = this.views.find((view) => view.canvas === this.root.getRootNode().activeElement);
    if (this.block && (this.block === block || this.stages.length <= FOLDED)) return;
    Object.assign(this, { block, hovered: null });
    this.build();
    this.layout();
    this.views.find((view) => view.stage === focused?.stage)?.canvas.focus();
  }

  build() {
    const { stages } = this, isFolded = stages.length > FOLDED;
    this.views = [this.input_stage, ...unfolded(stages, this.block).slice(0, -1)].map((stage) => {
      const figure = make("figure", "stage"), caption = make("figcaption"), canvas = make("canvas");
      const shape = stage.shape.join(" × ");
      caption.append(make("b", "", isFolded && stage.label === "sum" ? stage.name : stage.label), make("span", "", shape));
      caption.title = `${stage.name}${stage.parameters ? `, ${stage.parameters.toLocaleString("en")} parameters` : ""}`;
      canvas.tabIndex = 0;
      canvas.setAttribute("role", "application");
      canvas.setAttribute("aria-roledescription", "layer");
      canvas.setAttribute("aria-label", `${stage.label}, ${shape}. Arrow keys move within a map, Page Up and Page Down change it, Enter chooses.`);
      figure.append(caption, canvas);
      const view = { stage, figure, canvas, caption };
      canvas.onpointermove = (event) => this.pointed(view, event);
      canvas.onpointerleave = (event) => event.pointerType === "mouse" && this.hover(null);
      canvas.onclick = (event) => {
        this.pointed(view, event);
        this.choose(this.hovered);
      };
      canvas.onfocus = () => canvas.matches(":focus-visible") && this.hover(this.largestOf(view.stage));
      canvas.onblur = () => this.hover(null);
      return view;
    });
    const scores = make("figure", "stage scores"), caption = make("figcaption"), last = stages.at(-1);
    caption.append(make("b", "", `${last.label} + softmax`), make("span", "", "10"));
    scores.append(caption);
    this.bars = this.data.classes.map((name, unit) => {
      const button = make("button"), label = make("span", "", name), line = make("i"), share = make("span");
      button.type = "button";
      line.style.setProperty("--class", this.data.colours[unit]);
      button.append(label, line, share);
      button.onpointerenter = (event) => event.pointerType === "mouse" && this.hover({ stage: last, unit, place: unit });
      button.onpointerleave = () => this.hover(null);
      button.onclick = () => this.choose({ stage: last, unit, place: unit });
      scores.append(button);
      return { button, line, share, label };
    });
    this.find("stages").replaceChildren(...this.views.map((view) => view.figure), scores);
    this.scores = scores;
  }

  layout() {
    if (!this.net || !this.root.clientWidth) return;
    this.narrow = this.root.clientWidth < NARROW;
    const room = this.root.clientWidth;
    for (const view of this.views) {
      const [count, height = 1, width = 1] = view.stage.shape;
      Object.assign(view, { count, height, width, gap: height > 1 ? 3 : 1 });
      view.cell = view.stage === this.input_stage ? (this.narrow ? 6 : 5) : height > 1 ? Math.max(1, Math.floor((this.narrow ? 60 : 54) / height)) : this.narrow ? 20 : 15;
      arrange(view, this.narrow, room);
    }
    if (!this.narrow) {
      const free = room - 220 - 15 * this.views.length;
      const total = () => this.views.reduce((sum, view) => sum + view.outer, 0);
      while (total() > free) {
        const widest = this.views.filter((view) => view.cell > 1).sort((a, b) => b.outer - a.outer)[0];
        if (!widest) break; // more maps than fit: the row scrolls
        widest.cell -= 1;
        arrange(widest, false, room);
      }
    }
    this.paper = getComputedStyle(this.root).getPropertyValue("--st-secondary-background-color").trim() || "#eee";
    this.text = getComputedStyle(this.root).getPropertyValue("--st-text-color").trim() || "#000";
    this.accent = getComputedStyle(this.root).getPropertyValue("--st-primary-color").trim() || "#4a52c9";
    const dark = brightness(getComputedStyle(this.root).getPropertyValue("--st-background-color").trim()) < 128;
    this.views[0].caption.lastChild.textContent = this.data.title;
    for (const button of this.find("scales").querySelectorAll("button")) button.setAttribute("aria-pressed", String((button.dataset.scale === "layer") === this.data.perLayer));
    this.root.style.setProperty("--up", dark ? "#a9b0ff" : "#3b43b0");
    this.root.style.setProperty("--down", dark ? "#ffb27d" : "#a8480f");
    for (const view of this.views) {
      view.caption.style.width = this.narrow ? "" : `${Math.max(view.outer, 68)}px`; // a long name makes no layer wide
      this.draw(view);
    }
    this.drawScores();
    this.fitOver();
    this.refresh();
  }

  // --- Drawing ---

  // One pixel a value; then each map enlarged to where it stands.
  draw(view) {
    const { stage, canvas, count, height, width, cell } = view, ratio = window.devicePixelRatio || 1;
    const values = this.net.values.get(stage.nodes.at(-1)), cutBy = stage.nodes.length > 1 ? this.nodes.get(stage.nodes.at(-1)) : null;
    const before = cutBy?.op === "relu" ? this.net.values.get(cutBy.inputs[0]) : values; // so that what ReLU cuts is seen
    canvas.width = Math.round(view.outer * ratio);
    canvas.height = Math.round(view.tall * ratio);
    Object.assign(canvas.style, { width: `${view.outer}px`, height: `${view.tall}px` });
    const context = canvas.getContext("2d"), area = height * width;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = false;
    const sheet = new OffscreenCanvas(width, height * count), image = new ImageData(width, height * count), pixels = image.data;
    if (stage === this.input_stage) for (let i = 0; i < 784; i += 1) pixels.set([this.picture[i], this.picture[i], this.picture[i], 255], 4 * i);
    else {
      const largest = (from, to) => {
        let top = 1e-9;
        for (let i = from; i < to; i += 1) top = Math.max(top, Math.abs(values[i]));
        return top;
      };
      let top = largest(0, values.length);
      for (let i = 0; i < values.length; i += 1) {
        if (i % area === 0 && !this.data.perLayer && area > 1) top = largest(i, i + area);
        const value = before[i], isCut = value <= 0 && before !== values, [r, g, b] = value > 0 ? INK : CUT;
        const depth = Math.min(1, Math.abs(value) / top);
        pixels[4 * i] = r;
        pixels[4 * i + 1] = g;
        pixels[4 * i + 2] = b;
        pixels[4 * i + 3] = 255 * (isCut ? 0.32 * Math.min(1, 1.5 * depth) : depth);
      }
    }
    sheet.getContext("2d").putImageData(image, 0, 0);
    context.fillStyle = this.paper;
    for (let n = 0; n < count; n += 1) {
      const [x, y] = corner(view, n);
      context.fillRect(x, y, width * cell, height * cell);
      context.drawImage(sheet, 0, n * height, width, height, x, y, width * cell, height * cell);
    }
  }

  drawScores() {
    const shares = softmax(this.net.logits), guess = this.net.logits.indexOf(Math.max(...this.net.logits));
    this.bars.forEach(({ button, line, share, label }, i) => {
      line.style.setProperty("--share", shares[i]);
      share.textContent = `${(100 * shares[i]).toFixed(1)} %`;
      button.classList.toggle("guess", i === guess);
      label.classList.toggle("true", i === this.data.trueClass);
      button.setAttribute("aria-label", `${this.data.classes[i]}: ${share.textContent}${i === guess ? ", predicted" : ""}${i === this.data.trueClass ? ", the true class" : ""}`);
    });
    this.guess = guess;
  }

  fitOver() {
    const stages = this.find("stages");
    const [width, height] = [Math.max(stages.scrollWidth, this.find("way").clientWidth), stages.offsetHeight];
    const ratio = Math.min(window.devicePixelRatio || 1, Math.sqrt(MOST_PIXELS / Math.max(1, width * height)));
    Object.assign(this.over, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    Object.assign(this.over.style, { width: `${width}px`, height: `${height}px` });
    this.pen = this.over.getContext("2d");
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (const view of this.views) Object.assign(view, { left: view.canvas.offsetLeft, top: view.canvas.offsetTop });
  }

  // --- Choosing ---

  pointed(view, event) {
    const box = view.canvas.getBoundingClientRect(), { cell, width, height, gap, columns, count } = view;
    const [across, down] = [width * cell + gap, height * cell + gap], x = event.clientX - box.left, y = event.clientY - box.top;
    const n = Math.min(count - 1, Math.floor(Math.max(0, y) / down) * columns + Math.min(columns - 1, Math.floor(Math.max(0, x) / across)));
    const column = clamp(Math.floor((x % across) / cell), width), row = clamp(Math.floor((y % down) / cell), height);
    this.hover({ stage: view.stage, unit: n, place: row * width + column });
  }

  hover(at) {
    if (same(at, this.hovered)) return;
    const began = performance.now();
    this.hovered = at;
    this.channel = null;
    this.refresh();
    (this.root.times ??= []).push(performance.now() - began);
  }

  choose(at) {
    if (!at || at.stage === this.input_stage) return;
    this.selected = at;
    if (this.narrow) this.hovered = null; // a finger points at nothing once it has tapped
    this.unfold();
    this.refresh();
    if (!this.keepsClosed) this.fold(false);
    this.uncover(at);
    this.tell({ layer: at.stage.name, unit: at.unit, place: at.stage.shape.length === 3 ? at.place : null });
  }

  // a line of the arithmetic leads on: to another map's nine numbers, or down to what a term comes from
  followed(event) {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.channel) {
      this.channel = Number(button.dataset.channel);
      this.refresh();
      return;
    }
    const source = this.stages.find((stage) => stage.name === this.current.stage.reads[0]);
    if (!source) return;
    const area = source.shape.length === 3 ? source.shape[1] * source.shape[2] : 1, i = Number(button.dataset.go);
    this.hovered = null;
    this.choose({ stage: source, unit: Math.floor(i / area), place: i % area });
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // Streamlit listens to "r" and "c", and the page has shortcuts of its own
    const view = this.views.find((one) => one.canvas === event.target);
    if (!view) return;
    const now = this.hovered?.stage === view.stage ? this.hovered : this.largestOf(view.stage);
    const { width, height, count, columns } = view, [row, column] = [Math.floor(now.place / width), now.place % width];
    const byUnit = width * height === 1; // units stand beside each other like the values of a map
    const move = (dy, dx) => ({ ...now, place: clamp(row + dy, height) * width + clamp(column + dx, width) });
    const other = (by) => ({ ...now, unit: Math.min(count - 1, Math.max(0, now.unit + by)) });
    const to = {
      ArrowUp: () => (byUnit ? other(-columns) : move(-1, 0)),
      ArrowDown: () => (byUnit ? other(columns) : move(1, 0)),
      ArrowLeft: () => (byUnit ? other(-1) : move(0, -1)),
      ArrowRight: () => (byUnit ? other(1) : move(0, 1)),
      PageUp: () => other(-1),
      PageDown: () => other(1),
      Home: () => ({ ...now, unit: 0 }),
      End: () => ({ ...now, unit: count - 1 }),
    }[event.key];
    if (event.key === "Escape") this.hover(null);
    else if (event.key === "Enter" || event.key === " ") this.choose(now);
    else if (!to) return;
    else this.hover(to());
    event.preventDefault();
  }

  largestOf(stage) {
    if (this.selected?.stage === stage) return this.withPlace(this.selected);
    return this.withPlace({ stage, unit: 0, place: null });
  }

  // where no place is named, the largest value of the map
  withPlace(at) {
    if (at.place !== null && at.place !== undefined) return at;
    if (at.stage.shape.length < 3) return { ...at, place: 0 };
    const area = at.stage.shape[1] * at.stage.shape[2], map = this.net.values.get(at.stage.nodes.at(-1)).subarray(at.unit * area, (at.unit + 1) * area);
    return { ...at, place: map.indexOf(map.reduce((a, b) => Math.max(a, b), -Infinity)) };
  }

  // --- What is pointed at ---

  refresh() {
    if (!this.net || !this.pen) return;
    const at = this.withPlace(this.hovered ?? this.selected), [, , width = 1] = at.stage.shape;
    this.current = at;
    const row = Math.floor(at.place / width), column = at.place % width;
    const look = { ...this, classes: this.data.classes, standardise: this.data.standardise };
    const found = at.stage === this.input_stage ? explainPixel(look, row, column) : explain(look, at.stage, at.unit, row, column);
    this.sum.innerHTML = found.html + (this.hovered ? "" : `<p class="hint">${this.narrow ? "Tap" : "Point at"} any value to see what makes it; a click keeps it, and a click on a term leads down to where it comes from.${this.stages.length > FOLDED ? " Blocks are folded: a click on one shows what is in it." : ""}</p>`);
    this.sum.dataset.value = found.value;
    this.find("spoken").textContent = this.root.getRootNode().activeElement?.tagName === "CANVAS" ? found.spoken : "";
    this.bars.forEach(({ button }, i) => button.classList.toggle("here", at.stage === this.stages.at(-1) && i === at.unit));
    this.outline(at, row, column);
  }

  // On a telephone the arithmetic begins as one line, so that the network is seen; what is tapped opens it.
  fold(isClosed) {
    const button = this.find("fold");
    this.find("below").classList.toggle("closed", isClosed);
    button.setAttribute("aria-expanded", String(!isClosed));
    button.textContent = isClosed ? "Open" : "Fold";
  }

  // It lies over the lower maps: what was tapped is moved out from under it.
  uncover({ stage, unit, place }) {
    const view = this.views.find((one) => one.stage === stage);
    if (!this.narrow || !view) return;
    const below = view.canvas.getBoundingClientRect().top + corner(view, unit)[1] + (Math.floor((place ?? 0) / view.width) + 1) * view.cell;
    const hidden = below + 12 - this.find("below").getBoundingClientRect().top;
    if (hidden > 0) scrollerOf(view.canvas)?.scrollBy({ top: hidden });
  }

  outline(at, row, column) {
    this.pen.clearRect(0, 0, this.over.width, this.over.height);
    const lit = at.stage === this.input_stage ? reached(this, row, column) : behind(this, at, row, column);
    for (const { view, units, field, line } of lit) for (const n of units) this.box(view, n, field, line, this.accent);
  }

  box(view, n, [top, bottom, left, right], line, colour) {
    const [x, y] = corner(view, n), { cell } = view;
    this.pen.strokeStyle = colour;
    this.pen.lineWidth = line;
    this.pen.strokeRect(view.left + x + left * cell - 0.5, view.top + y + top * cell - 0.5, (right - left + 1) * cell + 1, (bottom - top + 1) * cell + 1);
  }

  say(text) {
    this.find("note").textContent = text;
  }
}
