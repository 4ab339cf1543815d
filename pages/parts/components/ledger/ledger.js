// An output as a sum over the picture's pixels, and pixels erased by hand: all computed here, from weights fetched once.

const SIDE = 28;
const UP = [74, 82, 201], DOWN = [222, 98, 28]; // adds, takes away
const LISTED = 6;

export default (given) => live(given, Ledger, ".ledger", "erased");

class Ledger {
  constructor(root) {
    Object.assign(this, { root, net: null, erased: new Uint8Array(784), cursor: 14 * SIDE + 14 });
    this.find = (name) => root.querySelector(`.${name}`);
    this.canvas = this.find("picture");
    this.canvas.onpointerdown = (event) => this.begin(event);
    this.canvas.onpointermove = (event) => this.move(event);
    this.canvas.onpointerup = this.canvas.onpointercancel = () => this.finish();
    this.canvas.onkeydown = (event) => this.pressed(event);
    this.canvas.onfocus = this.canvas.onblur = () => this.draw();
    this.find("shares").onpointermove = (event) => this.read(this.at(event, this.find("shares")));
    this.find("again").onclick = () => {
      this.erased.fill(0);
      this.compute();
      this.tell("");
    };
    this.resized = new ResizeObserver(() => this.layout());
    this.resized.observe(root);
    this.deaf = onMoment((run, step) => run === this.data?.run && this.fetch(step));
  }

  end() {
    this.ended = true;
    this.resized.disconnect();
    this.deaf();
  }

  async show(data) {
    const before = this.data;
    this.data = data;
    this.picture = Uint8Array.from(atob(data.picture), (character) => character.charCodeAt(0));
    if (!this.drawing) this.erased = bitsOf(data.erased);
    if (before?.run !== data.run || before?.edits !== data.edits) this.kept = null;
    this.drawMaps();
    await this.fetch(data.step);
  }

  async fetch(step) {
    const kept = this.data.steps.filter((known) => known <= step).at(-1) ?? this.data.steps[0];
    this.wanted = kept;
    if (this.kept !== kept) {
      const { run, edits } = this.data;
      try {
        const address = new URL(`api/runs/${run}/weights?${new URLSearchParams({ step: kept, edits })}`, base());
        const answer = await fetch(address, { signal: AbortSignal.timeout(60_000) });
        if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
        const { tensors } = unpack(await answer.arrayBuffer());
        if (this.ended || this.wanted !== kept || run !== this.data.run) return;
        this.net = new Net(this.data.graph.nodes, tensors);
        this.kept = kept;
      } catch {
        this.find("sum").textContent = "The weights of this moment did not come: reload the page to ask again.";
        return;
      }
    }
    this.compute();
  }

  // What the network sees of these bytes.
  seen(bytes) {
    const f = Math.fround, [mean, deviation] = this.data.standardise ?? [0, 1];
    return Float32Array.from(bytes, (value) => f(f(f(value / 255) - f(mean)) / f(deviation)));
  }

  async compute() {
    if (!this.net) return;
    const task = (this.task = {}), take = (steps) => unhurried(steps, () => !this.ended && this.task === task, (text) => (this.find("exact").textContent = text));
    const { net, data } = this, seed = new Float32Array(10);
    seed[data.label] += 1;
    if (data.against !== null) seed[data.against] -= 1;
    const value = () => net.logits.reduce((sum, logit, i) => sum + logit * seed[i], 0);
    const whole = this.seen(this.picture);
    if (!(await take(net.computing(whole)))) return;
    const derived = await take(net.deriving(seed));
    if (!derived) return;
    const { slopes, constant } = derived, slope = slopes.get("input");
    const black = data.black ? this.seen([0])[0] : 0;
    this.shares = Float64Array.from(whole, (x, i) => (x - black) * slope[i]);
    this.constant = constant + black * slope.reduce((a, b) => a + b, 0);
    this.value = value();
    this.ties = this.countTies();
    const isErased = this.erased.some(Boolean), before = isErased ? this.choices() : [];
    const left = Uint8Array.from(this.picture, (byte, i) => (this.erased[i] ? 0 : byte)), now = this.seen(left);
    this.promised = this.constant + now.reduce((sum, x, i) => sum + (x - black) * slope[i], 0);
    if (isErased && !(await take(net.computing(now)))) return;
    this.after = value();
    this.probabilities = softmax(net.logits);
    this.switches = isErased ? differences(before, this.choices()) : [];
    this.draw();
    this.say();
    this.root.dataset.ready = "true";
  }

  // Every ReLU and every pool, with what it chose and what it put out.
  choices() {
    const found = [];
    for (const node of this.net.graph) {
      if (node.op !== "relu" && node.op !== "max-pooling") continue;
      const x = this.net.values.get(node.inputs[0]), y = this.net.values.get(node.name), from = this.net.shapes.get(node.inputs[0]);
      const chose = node.op === "relu" ? Uint8Array.from(x, (value) => value > 0) : Int32Array.from(y, (_, i) => winner(x, from, node.shape, i));
      found.push({ node, chose, values: Float32Array.from(y) });
    }
    return found;
  }

  countTies() {
    let ties = 0;
    for (const node of this.net.graph) {
      if (node.op !== "max-pooling") continue;
      const x = this.net.values.get(node.inputs[0]), [, height, width] = this.net.shapes.get(node.inputs[0]), [channels, rows, columns] = node.shape;
      for (let i = 0; i < channels * rows * columns; i += 1) {
        const first = (Math.floor(i / (rows * columns)) * height + 2 * (Math.floor(i / columns) % rows)) * width + 2 * (i % columns);
        const four = [first, first + 1, first + width, first + width + 1].map((at) => x[at]), top = Math.max(...four);
        ties += top > 0 && four.filter((value) => value === top).length > 1;
      }
    }
    return ties;
  }

  // --- Words ---

  say() {
    const { data } = this, up = this.shares.filter((v) => v > 0).reduce((a, b) => a + b, 0), down = this.shares.filter((v) => v < 0).reduce((a, b) => a + b, 0);
    const name = data.against === null ? data.classes[data.label] : `${data.classes[data.label]} rather than ${data.classes[data.against]}`;
    const [plus, minus, rest] = balanced([up, down, this.constant]).map((n) => n / 10 ** DIGITS), total = (Math.round(plus * 1000) + Math.round(minus * 1000) + Math.round(rest * 1000)) / 1000;
    this.find("for").textContent = `For ${name}`;
    this.find("sum").innerHTML = `Pixels for it <b class="up">${shown(plus)}</b>, pixels against it <b class="down">${shown(minus)}</b>, constant <b>${shown(rest)}</b>: together <b>${shown(total)}</b>.`;
    const error = Math.abs(up + down + this.constant - this.value);
    this.find("exact").textContent =
      `The network itself computes ${shown(this.value)}${data.against === null ? ", the logit" : ", the difference of the two logits"}: equal to ${error < 1e-4 ? "less than 0.0001" : error.toExponential(1)}. ` +
      (this.ties ? `${this.ties} pooling windows tie: the sum is exact, but which of the equal pixels get a share is one of several answers.` : "");
    const count = this.erased.reduce((a, b) => a + b, 0);
    this.find("again").disabled = !count;
    const best = this.probabilities.indexOf(Math.max(...this.probabilities));
    const gap = this.after - this.promised;
    this.find("erased").innerHTML = count
      ? `<b>${count} erased.</b> The sum promises <b>${shown(this.promised)}</b>, the network says <b>${shown(this.after)}</b>` +
        (Math.abs(gap) < 5e-4 ? ": the sum still holds." : `: off by ${shown(gap)}, because ${this.switches.length.toLocaleString("en")} ReLUs and pools now choose otherwise.`) +
        ` It predicts <b>${data.classes[best]}</b>, ${(100 * this.probabilities[best]).toFixed(1)} %.`
      : "Erase pixels to see where the sum stops telling what the network does.";
    this.find("switched").replaceChildren(
      ...this.switches.slice(0, LISTED).map(({ node, i, before, after }) => {
        const line = document.createElement("li"), [, height = 1, width = 1] = node.shape, area = height * width;
        const where = node.shape.length === 3 ? `channel ${Math.floor(i / area)}, ${at(Math.floor(i / width) % height, i % width)}` : `unit ${i}`;
        line.textContent = `${node.name}, ${where}: ${shown(before)} → ${shown(after)}`;
        return line;
      }),
    );
    this.canvas.setAttribute("aria-label", "The picture. Arrow keys move, the space bar erases a pixel or brings it back.");
    this.find("shares").setAttribute("aria-label", `What each pixel adds to ${name}: ${shown(up)} for it, ${shown(down)} against it.`);
  }

  read(i) {
    if (i === null || !this.shares) return;
    this.find("pixel").innerHTML = `${at(Math.floor(i / SIDE), i % SIDE)}: value ${this.picture[i]} of 255 adds <b class="${this.shares[i] < 0 ? "down" : "up"}">${shown(this.shares[i])}</b>`;
  }

  // --- Drawing ---

  layout() {
    const room = this.root.clientWidth;
    if (!room) return;
    this.cell = Math.max(5, Math.min(11, Math.floor(Math.min(room < 700 ? room - 4 : (room - 330) / 2 - 30, 320) / SIDE)));
    const dark = darkness(getComputedStyle(this.root).getPropertyValue("--st-background-color").trim());
    this.paper = dark ? [19, 22, 30] : [255, 255, 255];
    this.root.style.setProperty("--up", dark ? "#a9b0ff" : "#3b43b0");
    this.root.style.setProperty("--down", dark ? "#ffb27d" : "#a8480f");
    if (this.shares) this.draw();
    if (this.data) this.drawMaps();
  }

  draw() {
    if (!this.cell) this.layout();
    const grey = new ImageData(SIDE, SIDE);
    this.picture.forEach((byte, i) => grey.data.set(this.erased[i] ? [120, 60, 20, 255] : [byte, byte, byte, 255], 4 * i));
    const pen = enlarge(this.canvas, grey, this.cell);
    if (this.root.getRootNode().activeElement === this.canvas) {
      pen.strokeStyle = "#ee7733";
      pen.lineWidth = 2;
      pen.strokeRect((this.cursor % SIDE) * this.cell, Math.floor(this.cursor / SIDE) * this.cell, this.cell, this.cell);
    }
    enlarge(this.find("shares"), signedImage(this.shares, this.paper), this.cell);
  }

  drawMaps() {
    if (!this.paper) this.layout();
    if (!this.paper) return;
    this.find("maps").replaceChildren(
      ...this.data.maps.map(({ name, words, trained, untrained }) => {
        const figure = document.createElement("figure"), caption = document.createElement("figcaption"), pair = document.createElement("div");
        const title = document.createElement("b");
        title.textContent = name;
        caption.append(title, ...words.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
        pair.className = "pair";
        for (const [values, label] of [
          [trained, "this network"],
          [untrained, "before training"],
        ]) {
          if (!values) continue;
          const box = document.createElement("div"), canvas = document.createElement("canvas"), small = document.createElement("small");
          canvas.setAttribute("role", "img");
          canvas.setAttribute("aria-label", `${name}, ${label}`);
          enlarge(canvas, signedImage(floats(values), this.paper), untrained ? 2.5 : 4);
          small.textContent = label;
          box.append(canvas, small);
          pair.append(box);
        }
        figure.append(caption, pair);
        return figure;
      }),
    );
  }

  // --- Erasing ---

  at(event, canvas = this.canvas) {
    const box = canvas.getBoundingClientRect();
    const [column, row] = [Math.floor(((event.clientX - box.left) * SIDE) / box.width), Math.floor(((event.clientY - box.top) * SIDE) / box.height)];
    return column < 0 || row < 0 || column >= SIDE || row >= SIDE ? null : row * SIDE + column;
  }

  begin(event) {
    const i = this.at(event);
    if (i === null) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.drawing = true;
    this.brush = 1 - this.erased[i];
    this.set(i);
  }

  move(event) {
    const i = this.at(event);
    this.read(i);
    if (this.drawing && i !== null && this.erased[i] !== this.brush) this.set(i);
  }

  set(i) {
    this.erased[i] = this.brush;
    this.compute();
  }

  finish() {
    if (!this.drawing) return;
    this.drawing = false;
    this.tell(textOf(this.erased));
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // Streamlit listens to "r" and "c", and the page has shortcuts of its own
    const row = Math.floor(this.cursor / SIDE), column = this.cursor % SIDE, last = SIDE - 1;
    const to = { ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1] }[event.key];
    if (to) this.cursor = Math.max(0, Math.min(last, to[0])) * SIDE + Math.max(0, Math.min(last, to[1]));
    else if (event.key === " " || event.key === "Enter") {
      this.brush = 1 - this.erased[this.cursor];
      this.set(this.cursor);
      this.tell(textOf(this.erased));
    } else return;
    event.preventDefault();
    this.read(this.cursor);
    this.draw();
  }
}

// what chooses otherwise, the largest change first; choices that put out 0 both times are of no consequence
function differences(before, after) {
  const found = [];
  before.forEach(({ node, chose, values }, n) => {
    chose.forEach((choice, i) => {
      const now = after[n];
      if (choice !== now.chose[i] && (values[i] > 0 || now.values[i] > 0)) found.push({ node, i, before: values[i], after: now.values[i] });
    });
  });
  return found.sort((a, b) => Math.abs(b.after - b.before) - Math.abs(a.after - a.before));
}

function enlarge(canvas, image, cell) {
  const ratio = window.devicePixelRatio || 1, size = Math.round(SIDE * cell);
  const sheet = new OffscreenCanvas(SIDE, SIDE);
  sheet.getContext("2d").putImageData(image, 0, 0);
  Object.assign(canvas, { width: Math.round(size * ratio), height: Math.round(size * ratio) });
  Object.assign(canvas.style, { width: `${size}px`, height: `${size}px` });
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(sheet, 0, 0, size, size);
  return pen;
}

function signedImage(values, paper) {
  const image = new ImageData(SIDE, SIDE), top = Math.max(...Array.from(values, Math.abs), 1e-9);
  values.forEach((value, i) => {
    const depth = Math.sqrt(Math.abs(value) / top), ink = value > 0 ? UP : DOWN; // a square root: small shares stay visible
    image.data.set([...ink.map((c, n) => paper[n] + depth * (c - paper[n])), 255], 4 * i);
  });
  return image;
}

const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

function darkness(colour) {
  const [r, g, b] = colour.startsWith("#") ? [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)) : (colour.match(/[\d.]+/g) ?? [255, 255, 255]).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b < 128;
}

// 784 bits as text for an address: base64 without padding, "-" and "_" for its last two letters; "" for none
function textOf(bits) {
  if (!bits.some(Boolean)) return "";
  const bytes = new Uint8Array(98);
  bits.forEach((bit, i) => (bytes[i >> 3] |= bit << (i & 7)));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function bitsOf(text) {
  const bits = new Uint8Array(784);
  if (!text) return bits;
  try {
    const bytes = Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
    for (let i = 0; i < 784; i += 1) bits[i] = (bytes[i >> 3] >> (i & 7)) & 1;
  } catch {
    return new Uint8Array(784); // no such text: nothing is erased
  }
  return bits;
}
