// All test pictures on one map, drawn as themselves into one ImageData, from thumbnails shrunk beforehand.

const SIZES = [7, 14, 28]; // pixels of a thumbnail, by how near one is
const REACH = 14; // pixels around the pointer in which a picture is found
const MOVING = 250; // milliseconds of a move from one moment to the next
const CARD_AFTER = 125;

export default (given) => live(given, PictureMap, ".map");

// fetched once a page: the pictures never change
function loadPictures() {
  window.fmnistPictures ??= fetch(new URL("api/pictures/test", base()), { signal: AbortSignal.timeout(60_000) })
    .then((answer) => {
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      return answer.arrayBuffer();
    })
    .then((buffer) => {
      const bytes = new Uint8Array(buffer), count = bytes.length / 785;
      const full = bytes.subarray(0, 784 * count), labels = bytes.subarray(784 * count);
      return { labels, sheets: new Map(SIZES.map((size) => [size, size === 28 ? full : shrunk(full, count, size)])) };
    })
    .catch((error) => {
      window.fmnistPictures = undefined;
      throw error;
    });
  return window.fmnistPictures;
}

function shrunk(full, count, size) {
  const block = 28 / size, sheet = new Uint8Array(count * size * size);
  for (let n = 0; n < count; n += 1)
    for (let y = 0; y < size; y += 1)
      for (let x = 0; x < size; x += 1) {
        let sum = 0;
        for (let dy = 0; dy < block; dy += 1) for (let dx = 0; dx < block; dx += 1) sum += full[784 * n + 28 * (y * block + dy) + x * block + dx];
        sheet[(n * size + y) * size + x] = sum / block ** 2;
      }
  return sheet;
}

function shadesOf(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return Uint32Array.from({ length: 256 }, (_, ink) => {
    const depth = 0.35 + (0.65 * ink) / 255;
    return (0xff000000 | (Math.round(depth * b) << 16) | (Math.round(depth * g) << 8) | Math.round(depth * r)) >>> 0;
  });
}

class PictureMap {
  constructor(root) {
    Object.assign(this, { root, zoom: 1, middle: [0, 0], points: null, found: null, at: null });
    this.find = (name) => root.querySelector(`.${name}`);
    this.canvas = root.querySelector(".box > canvas");
    this.card = this.find("card");
    this.canvas.onpointerdown = (event) => {
      this.canvas.setPointerCapture(event.pointerId);
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
    if (before && (before.run !== data.run || before.of !== data.of)) this.at = null;
    this.legend();
    await this.moveTo(data.step);
  }

  async moveTo(step) {
    this.wanted = this.data.steps.filter((known) => known <= step).at(-1) ?? this.data.steps[0];
    if (this.at === this.wanted) return this.draw();
    if (this.fetching) return;
    this.fetching = true;
    try {
      this.say(this.points ? "" : "Computing the map …");
      this.pictures = await loadPictures();
      while (!this.ended && this.at !== this.wanted) {
        const at = this.wanted, { run, of } = this.data;
        const answer = await fetch(new URL(`api/runs/${run}/map?step=${at}&of=${of}`, base()), { signal: AbortSignal.timeout(120_000) });
        if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
        this.take(await answer.arrayBuffer());
        this.at = of === this.data.of && run === this.data.run ? at : null;
      }
      this.say("");
    } catch {
      if (!this.ended) this.say("The map did not come: reload the page to ask again.");
    }
    this.fetching = false;
  }

  take(buffer) {
    const bytes = new Uint8Array(buffer), line = bytes.indexOf(10) + 1;
    const { count, share } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, line)));
    const points = new Float32Array(buffer.slice(line, line + 8 * count));
    this.guesses = bytes.slice(line + 8 * count, line + 9 * count);
    this.count = count;
    this.from = this.points?.length === points.length ? this.points : points;
    this.to = points;
    this.began = performance.now();
    if (this.at === null || !this.span) this.fit(points);
    this.find("share").textContent = `These two directions have ${(100 * share).toFixed(0)} % of the variance.` + (count < 10000 ? ` The first ${count.toLocaleString("en")} pictures.` : "");
    this.root.dataset.step = this.wanted;
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

  place(i) {
    return [this.width / 2 + (this.points[2 * i] - this.middle[0]) * this.scale, this.height / 2 - (this.points[2 * i + 1] - this.middle[1]) * this.scale];
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
    this.canvas.setAttribute("aria-label", `${this.count.toLocaleString("en")} test pictures. Arrow keys move the map, plus and minus zoom.`);
    this.root.dataset.drawn = (performance.now() - began).toFixed(1);
    this.root.dataset.ready = "true";
  }

  // the map as it was drawn last, and a ring around the picture that is pointed at
  ring() {
    const pen = this.canvas.getContext("2d");
    pen.putImageData(this.image, 0, 0);
    if (this.found === null) return;
    const [x, y] = this.place(this.found);
    pen.strokeStyle = "#ffffff";
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x, y, this.size / 2 + 5, 0, 7);
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

  // --- Pointing, moving, zooming ---

  pointed(event) {
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
    if (i !== null) this.telling = setTimeout(() => this.tell(i), CARD_AFTER);
  }

  tell(i) {
    const { classes } = this.data, label = this.pictures.labels[i], guess = this.guesses[i], [x, y] = this.place(i);
    const grey = new ImageData(28, 28), sheet = new OffscreenCanvas(28, 28), full = this.pictures.sheets.get(28);
    for (let p = 0; p < 784; p += 1) grey.data.set([full[784 * i + p], full[784 * i + p], full[784 * i + p], 255], 4 * p);
    sheet.getContext("2d").putImageData(grey, 0, 0);
    const pen = this.card.querySelector("canvas").getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(sheet, 0, 0, 112, 112);
    this.card.querySelector("p").textContent = `Test picture ${i}: ${classes[label]}${label === guess ? ", right" : `, taken for ${classes[guess]}`}`;
    this.card.style.left = `${Math.min(this.width - 140, x + 14)}px`;
    this.card.style.top = `${Math.max(4, Math.min(this.height - 190, y - 60))}px`;
    this.card.hidden = false;
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
    else return;
    event.preventDefault();
    this.draw();
  }

  say(text) {
    this.find("note").textContent = text;
  }
}
