// All test pictures on one map, drawn as themselves into one ImageData, from thumbnails shrunk beforehand.

const REACH = 14; // pixels around the pointer in which a picture is found
const MOVING = 250; // milliseconds of a move from one moment to the next
const CARD_AFTER = 125;
const KEPT = 128; // moments that stay in memory, 90 kB each

export default (given) => live(given, PictureMap, ".map", "area");

class PictureMap {
  constructor(root) {
    Object.assign(this, { root, zoom: 1, middle: [0, 0], points: null, found: null, at: null, moments: new Map(), drawn: null });
    this.find = (name) => root.querySelector(`.${name}`);
    this.canvas = root.querySelector(".box > canvas");
    this.card = this.find("card");
    this.canvas.onpointerdown = (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      if (this.isLasso || event.shiftKey) this.drawn = [];
      this.held = { x: event.clientX, y: event.clientY, moved: false };
    };
    this.canvas.onpointermove = (event) => this.pointed(event);
    this.canvas.onpointerup = (event) => this.released(event);
    this.canvas.onpointerleave = () => this.point(null);
    this.canvas.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    this.canvas.onkeydown = (event) => this.pressed(event);
    this.find("more").onclick = () => this.zoomBy(1.5);
    this.find("less").onclick = () => this.zoomBy(1 / 1.5);
    this.find("all").onclick = () => this.whole();
    this.find("lasso").onclick = () => this.lasso(!this.isLasso);
    this.find("view").onclick = () => this.choose(this.inView());
    this.find("none").onclick = () => this.tell("");
    this.resized = new ResizeObserver(() => this.layout());
    this.resized.observe(root);
    this.deaf = onMoment((run, step) => run === this.data?.run && this.moveTo(step));
  }

  end() {
    this.ended = true;
    this.resized.disconnect();
    this.deaf();
  }

  async show(data) {
    const before = this.data;
    this.data = data;
    if (before?.run !== data.run) this.moments.clear();
    this.find("none").hidden = !data.area;
    this.legend();
    await this.moveTo(data.step);
  }

  // The moment `step`, or the last one before it that has a map. The newest wish wins.
  async moveTo(step) {
    this.step = this.data.steps.filter((known) => known <= step).at(-1) ?? this.data.steps[0];
    if (this.fetching) return;
    this.fetching = true;
    try {
      this.say(this.points ? "" : "Computing the map …");
      this.pictures = await loadPictures();
      while (!this.ended && this.at !== this.wanted) {
        const { wanted } = this, moment = this.moments.get(wanted) ?? (await this.ask());
        if (wanted === this.wanted) this.take(moment);
      }
      this.say("");
      this.draw();
    } catch {
      if (!this.ended) this.say("The map did not come: reload the page to ask again.");
    }
    this.fetching = false;
  }

  // what is to be seen; the version only where something better than what stands there may have come
  get wanted() {
    const { run, of, by, version } = this.data;
    const asked = `${run}?${new URLSearchParams({ step: this.step, of, by })}`;
    return this.moments.has(asked) ? asked : `${asked}&${version}`;
  }

  async ask() {
    const { run, of, by, version } = this.data, query = new URLSearchParams({ step: this.step, of, by });
    const answer = await fetch(new URL(`api/runs/${run}/map?${query}`, base()), { signal: AbortSignal.timeout(120_000) });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const buffer = await answer.arrayBuffer(), bytes = new Uint8Array(buffer), line = bytes.indexOf(10) + 1;
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, line))), { count } = head;
    const moment = { ...head, of, points: new Float32Array(buffer.slice(line, line + 8 * count)), guesses: bytes.slice(line + 8 * count, line + 9 * count) };
    if (this.moments.size >= KEPT) this.moments.delete(this.moments.keys().next().value);
    this.moments.set(head.by === by ? `${run}?${query}` : `${run}?${query}&${version}`, moment);
    return moment;
  }

  take(moment) {
    const { points, count } = moment, kind = moment.of + moment.by;
    this.guesses = moment.guesses;
    this.count = count;
    this.from = this.points?.length === points.length ? this.points : points;
    this.to = points;
    this.began = performance.now();
    if (this.kind !== kind) this.fit(points);
    this.kind = kind;
    this.at = this.wanted;
    this.find("share").textContent = inWords(moment);
    this.root.dataset.step = this.step;
    this.root.dataset.by = moment.by;
    this.move();
  }

  // the whole map, once: afterwards the frame stays while training moves the points
  fit(points) {
    const ends = [0, 1].map((axis) => {
      let [low, high] = [Infinity, -Infinity];
      for (let i = axis; i < points.length; i += 2) [low, high] = [Math.min(low, points[i]), Math.max(high, points[i])];
      return [low, high];
    });
    this.span = ends.map(([low, high]) => Math.max(1e-6, high - low));
    this.centre = ends.map(([low, high]) => (low + high) / 2);
    this.whole();
  }

  move() {
    const t = Math.min(1, (performance.now() - this.began) / MOVING);
    this.points = t === 1 ? this.to : this.from.map((value, i) => value + t * (this.to[i] - value));
    this.draw();
    if (t < 1 && !this.ended) requestAnimationFrame(() => this.move());
  }

  // --- Drawing ---

  layout() {
    const width = this.root.querySelector(".box").clientWidth;
    if (!width) return;
    Object.assign(this, { width, height: Math.round(Math.min(560, Math.max(320, width * 0.7))) });
    Object.assign(this.canvas, { width: this.width, height: this.height });
    this.canvas.style.height = `${this.height}px`;
    this.draw();
  }

  get scale() {
    const [across, down] = this.span ?? [5, 5];
    return 0.94 * this.zoom * Math.min(this.width / across, this.height / down);
  }

  onCanvas([x, y]) {
    return [this.width / 2 + (x - this.middle[0]) * this.scale, this.height / 2 - (y - this.middle[1]) * this.scale];
  }

  onMap(x, y) {
    return [this.middle[0] + (x - this.width / 2) / this.scale, this.middle[1] - (y - this.height / 2) / this.scale];
  }

  place(i) {
    return this.onCanvas([this.points[2 * i], this.points[2 * i + 1]]);
  }

  shows(i) {
    return this.data.only === null || this.pictures.labels[i] === this.data.only;
  }

  colour(i) {
    const { colour, colours, right } = this.data, label = this.pictures.labels[i];
    return colour === "right" ? right[Number(label !== this.guesses[i])] : colours[colour === "true" ? label : this.guesses[i]];
  }

  draw() {
    if (!this.points || !this.pictures || !this.width) return;
    const began = performance.now(), { width, height, points, middle, scale } = this, size = this.size;
    const sheet = this.pictures.sheets.get(size), image = new ImageData(width, height), out = new Uint32Array(image.data.buffer);
    const shades = new Map(); // a colour's 256 depths, as the bytes of a pixel: red lowest
    out.fill(0xff17100d);
    for (let i = 0; i < this.count; i += 1) {
      if (!this.shows(i)) continue;
      const left = Math.round(width / 2 + (points[2 * i] - middle[0]) * scale - size / 2);
      const top = Math.round(height / 2 - (points[2 * i + 1] - middle[1]) * scale - size / 2);
      if (left < -size || top < -size || left >= width || top >= height) continue;
      const name = this.colour(i);
      if (!shades.has(name)) shades.set(name, shadesOf(name));
      const shade = shades.get(name), from = Math.max(0, -left), to = Math.min(size, width - left);
      for (let dy = Math.max(0, -top); dy < Math.min(size, height - top); dy += 1) {
        const row = (top + dy) * width + left, at = (i * size + dy) * size;
        for (let dx = from; dx < to; dx += 1) {
          const ink = sheet[at + dx];
          if (ink > 23) out[row + dx] = shade[ink];
        }
      }
    }
    this.image = image;
    this.ring();
    this.canvas.setAttribute("aria-label", `${this.count.toLocaleString("en")} test pictures. Arrow keys move the map, plus and minus zoom, Enter chooses what is in view.`);
    this.root.dataset.drawn = (performance.now() - began).toFixed(1);
    this.root.dataset.ready = "true";
  }

  // the map as it was drawn last, what is drawn around, and a ring around the picture that is pointed at
  ring() {
    const pen = this.canvas.getContext("2d"), corners = this.drawn ?? this.data.area;
    pen.putImageData(this.image, 0, 0);
    pen.strokeStyle = "#ffffff";
    pen.lineWidth = 2;
    if (corners?.length > 1) {
      pen.beginPath();
      for (const corner of corners) pen.lineTo(...this.onCanvas(corner));
      pen.closePath();
      pen.fillStyle = "rgb(255 255 255 / 12%)";
      pen.fill();
      pen.stroke();
    }
    if (this.found === null) return;
    pen.beginPath();
    pen.arc(...this.place(this.found), this.size / 2 + 5, 0, 7);
    pen.stroke();
  }

  get size() {
    return SIZES[this.zoom > 5 ? 2 : this.zoom > 2 ? 1 : 0];
  }

  legend() {
    const { colour, classes, colours, right } = this.data;
    const entries = colour === "right" ? [["right", right[0]], ["wrong", right[1]]] : classes.map((name, i) => [name, colours[i]]);
    this.find("key").replaceChildren(
      ...entries.map(([name, ink]) => {
        const line = document.createElement("li"), mark = document.createElement("i");
        mark.style.background = ink;
        line.append(mark, name);
        return line;
      }),
    );
  }

  // --- Choosing a part of the map ---

  lasso(on) {
    this.isLasso = on;
    this.drawn = null;
    this.find("lasso").setAttribute("aria-pressed", String(on));
    this.root.classList.toggle("drawing", on);
    this.draw();
  }

  inView() {
    return [[1, 1], [this.width - 1, 1], [this.width - 1, this.height - 1], [1, this.height - 1]].map(([x, y]) => this.onMap(x, y));
  }

  choose(corners) {
    if (corners.length < 3) return; // a click, not a line
    this.data.area = corners; // at once; the server's answer comes later
    this.ring();
    this.tell(asText(corners));
  }

  // --- Pointing, moving, zooming ---

  pointed(event) {
    if (this.drawn && this.held) {
      const box = this.canvas.getBoundingClientRect();
      this.drawn.push(this.onMap(event.clientX - box.left, event.clientY - box.top));
      this.held.moved = true;
      return this.ring();
    }
    if (this.held && event.buttons) {
      const [dx, dy] = [event.clientX - this.held.x, event.clientY - this.held.y];
      if (!this.held.moved && Math.hypot(dx, dy) < 4) return;
      Object.assign(this.held, { x: event.clientX, y: event.clientY, moved: true });
      this.middle = [this.middle[0] - dx / this.scale, this.middle[1] + dy / this.scale];
      this.point(null);
      return this.draw();
    }
    const box = this.canvas.getBoundingClientRect();
    this.point(this.nearest(event.clientX - box.left, event.clientY - box.top));
  }

  released(event) {
    if (this.drawn && this.held) {
      this.held = null;
      const corners = simplified(this.drawn, 2 / this.scale, this.data.most);
      this.lasso(false);
      return this.choose(corners);
    }
    const wasClick = this.held && !this.held.moved;
    this.held = null;
    const box = this.canvas.getBoundingClientRect(), i = wasClick ? this.nearest(event.clientX - box.left, event.clientY - box.top) : null;
    if (i === null) return;
    if (event.pointerType === "mouse" || this.found === i) navigate(this.data.link + i);
    else this.point(i); // a first tap shows it, a second one opens it
  }

  nearest(x, y) {
    if (!this.points) return null;
    let best = null, least = REACH ** 2;
    for (let i = 0; i < this.count; i += 1) {
      if (!this.shows(i)) continue;
      const [px, py] = this.place(i), distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance < least) [best, least] = [i, distance];
    }
    return best;
  }

  point(i) {
    if (i === this.found) return;
    this.found = i;
    this.card.hidden = true;
    clearTimeout(this.telling);
    if (this.image) this.ring();
    if (i !== null) this.telling = setTimeout(() => this.describe(i), CARD_AFTER);
  }

  describe(i) {
    const { classes } = this.data, label = this.pictures.labels[i], guess = this.guesses[i], [x, y] = this.place(i);
    const grey = new ImageData(28, 28), sheet = new OffscreenCanvas(28, 28), full = this.pictures.sheets.get(28);
    for (let p = 0; p < 784; p += 1) grey.data.set([full[784 * i + p], full[784 * i + p], full[784 * i + p], 255], 4 * p);
    sheet.getContext("2d").putImageData(grey, 0, 0);
    const pen = this.card.querySelector("canvas").getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(sheet, 0, 0, 112, 112);
    this.card.querySelector("p").textContent = `Test picture ${i}: ${classes[label]}${label === guess ? ", right" : `, taken for ${classes[guess]}`}`;
    this.card.style.left = `${Math.min(this.width - 140, x + 14)}px`;
    this.card.style.top = `${Math.max(4, Math.min(this.height - 250, y - 60))}px`;
    this.card.hidden = false;
    this.askAbout(i);
  }

  // its three largest probabilities, when they have come
  async askAbout(i) {
    const list = this.card.querySelector("ul"), { run, classes, colours } = this.data;
    list.replaceChildren();
    try {
      const query = new URLSearchParams({ step: this.step, index: i });
      const answer = await fetch(new URL(`api/runs/${run}/map/answer?${query}`, base()), { signal: AbortSignal.timeout(20_000) });
      if (!answer.ok || this.found !== i) return;
      const { shares } = await answer.json(), order = shares.map((_, n) => n).sort((a, b) => shares[b] - shares[a]);
      if (this.found === i) list.replaceChildren(...order.slice(0, 3).map((n) => bar(classes[n], shares[n], colours[n])));
    } catch {
      // the picture and its class stand there all the same
    }
  }

  wheeled(event) {
    event.preventDefault();
    const box = this.canvas.getBoundingClientRect();
    this.zoomBy(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
  }

  // what is at (x, y) stays there
  zoomBy(by, x = this.width / 2, y = this.height / 2) {
    const before = this.scale;
    this.zoom = Math.max(0.6, Math.min(60, this.zoom * by));
    const gain = 1 / before - 1 / this.scale;
    this.middle = [this.middle[0] + (x - this.width / 2) * gain, this.middle[1] - (y - this.height / 2) * gain];
    this.point(null);
    this.draw();
  }

  whole() {
    Object.assign(this, { zoom: 1, middle: [...(this.centre ?? [0, 0])] });
    this.draw();
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // Streamlit listens to "r" and "c", and the page has shortcuts of its own
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (way) this.middle = this.middle.map((value, n) => value + (way[n] * 40) / this.scale);
    else if (event.key === "+" || event.key === "=") return this.zoomBy(1.5);
    else if (event.key === "-") return this.zoomBy(1 / 1.5);
    else if (event.key === "Home") return this.whole();
    else if (event.key === "Enter") return this.choose(this.inView());
    else if (event.key === "Escape") return this.tell("");
    else return;
    event.preventDefault();
    this.draw();
  }

  say(text) {
    this.find("note").textContent = text;
  }
}
