// A drawing of 28 x 28 gray values. While the pen moves, the app's route is asked what each network sees, one question at a
// time, always about the newest drawing; the server hears of it when the pen is lifted.

const SIDE = 28, COUNT = SIDE * SIDE;
const MOST_UNDONE = 50;
const ARROWS = { ArrowLeft: [0, -1, "←"], ArrowRight: [0, 1, "→"], ArrowUp: [-1, 0, "↑"], ArrowDown: [1, 0, "↓"] };

export default (given) => live(given, Pad, ".pad", "drawn");

const bytesOf = (packed) => Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
const textOf = (pixels) => btoa(String.fromCharCode(...Array.from(pixels, Math.round))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");

class Pad {
  constructor(root) {
    const find = (name) => root.querySelector(`.${name}`);
    Object.assign(this, { root, canvas: root.querySelector("canvas"), list: find("judges"), pixels: new Float32Array(COUNT), past: [] });
    Object.assign(this, { erasing: false, from: null, judges: [], sent: null, ended: false });
    [this.size, this.shade, this.eraser] = [find("size"), find("shade"), find("eraser")];
    this.context = this.canvas.getContext("2d");
    this.canvas.onpointerdown = (event) => this.down(event);
    this.canvas.onpointermove = (event) => this.move(event);
    this.canvas.onpointerup = this.canvas.onpointercancel = () => this.up();
    this.canvas.onkeydown = (event) => this.pressed(event);
    this.eraser.onclick = () => this.erase(!this.erasing);
    find("undo").onclick = () => this.undo();
    find("clear").onclick = () => this.change(() => this.pixels.fill(0));
    find("mirror").onclick = () => this.mirror();
    find("all").onclick = ({ target }) => {
      const isEvery = root.classList.toggle("every");
      target.setAttribute("aria-expanded", String(isEvery));
      target.textContent = isEvery ? "The likeliest three" : "All ten classes";
    };
    for (const [key, [down, right, sign]] of Object.entries(ARROWS)) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: sign, title: `Move by one pixel (${key})` });
      button.onclick = () => this.shift(down, right);
      find("arrows").append(button);
    }
  }

  end() {
    this.ended = true;
    clearTimeout(this.telling);
  }

  show(data) {
    if (data.pixels !== this.given) { // another drawing in the address, or the one that was drawn here
      this.given = data.pixels;
      const given = bytesOf(data.pixels), text = textOf(given);
      if (text === this.sent) this.sent = null;
      else if (this.sent === null && !this.from && text !== textOf(this.pixels)) {
        if (this.drawnHere) this.remember();
        this.pixels = Float32Array.from(given);
      }
    }
    const wanted = JSON.stringify(data.judges);
    if (wanted !== this.wanted) {
      this.wanted = wanted;
      this.judges = data.judges.map((judge) => new JudgeView(judge, data.classes, data.colours));
      this.list.replaceChildren(...this.judges.map((judge) => judge.element));
    }
    this.drawn();
  }

  // --- Changing the drawing ---

  remember() {
    this.past.push(this.pixels.slice());
    if (this.past.length > MOST_UNDONE) this.past.shift();
  }

  change(how) {
    this.remember();
    how();
    this.drawn();
    this.finished();
  }

  undo() {
    if (!this.past.length) return;
    this.pixels = this.past.pop();
    this.drawn();
    this.finished();
  }

  shift(down, right) {
    this.change(() => {
      const old = this.pixels.slice();
      for (let i = 0; i < COUNT; i += 1) {
        const y = Math.floor(i / SIDE) - down, x = (i % SIDE) - right;
        this.pixels[i] = y < 0 || x < 0 || y >= SIDE || x >= SIDE ? 0 : old[y * SIDE + x];
      }
    });
  }

  mirror() {
    this.change(() => {
      for (let y = 0; y < SIDE; y += 1) this.pixels.subarray(y * SIDE, (y + 1) * SIDE).reverse();
    });
  }

  erase(on) {
    this.erasing = on;
    this.eraser.setAttribute("aria-pressed", String(on));
  }

  // The brush is a disc with a soft edge, one pixel wide.
  dab(x, y) {
    const radius = Number(this.size.value) / 2, shade = this.erasing ? 0 : Number(this.shade.value);
    for (let row = Math.max(0, Math.floor(y - radius - 1)); row <= Math.min(SIDE - 1, y + radius + 1); row += 1) {
      for (let column = Math.max(0, Math.floor(x - radius - 1)); column <= Math.min(SIDE - 1, x + radius + 1); column += 1) {
        const cover = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y)));
        const i = row * SIDE + column, covered = this.pixels[i] + (shade - this.pixels[i]) * cover;
        this.pixels[i] = this.erasing ? covered : Math.max(this.pixels[i] * (cover >= 1 ? 0 : 1), covered);
      }
    }
  }

  // --- Mouse, pen, finger, keys ---

  at(event) {
    const bounds = this.canvas.getBoundingClientRect();
    return [((event.clientX - bounds.left) / bounds.width) * SIDE, ((event.clientY - bounds.top) / bounds.height) * SIDE];
  }

  down(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.remember();
    this.from = this.at(event);
    this.dab(...this.from);
    this.drawn();
  }

  move(event) {
    if (!this.from) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const to = this.at(each), length = Math.hypot(to[0] - this.from[0], to[1] - this.from[1]);
      const steps = Math.max(1, Math.ceil(length * 2));
      for (let n = 1; n <= steps; n += 1) {
        this.dab(this.from[0] + ((to[0] - this.from[0]) * n) / steps, this.from[1] + ((to[1] - this.from[1]) * n) / steps);
      }
      this.from = to;
    }
    this.drawn();
  }

  up() {
    if (!this.from) return;
    this.from = null;
    this.finished();
  }

  pressed(event) {
    keepFromStreamlit(event);
    if (event.ctrlKey || event.metaKey ? event.key !== "z" : event.altKey) return;
    const arrow = ARROWS[event.key];
    if (arrow) this.shift(arrow[0], arrow[1]);
    else if (event.key === "z") this.undo();
    else if (event.key === "e") this.erase(!this.erasing);
    else if (event.key === "m") this.mirror();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // --- Showing and asking ---

  drawn() {
    this.drawnHere = true;
    const image = this.context.createImageData(SIDE, SIDE);
    for (let i = 0; i < COUNT; i += 1) image.data.set([this.pixels[i], this.pixels[i], this.pixels[i], 255], 4 * i);
    this.context.putImageData(image, 0, 0);
    const text = textOf(this.pixels);
    const isEmpty = this.pixels.every((value) => value < 1);
    for (const judge of this.judges) isEmpty ? judge.wait() : judge.ask(text, () => this.ended);
  }

  finished() {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => {
      this.sent = textOf(this.pixels);
      this.tell(this.sent);
    }, 300); // several strokes in a row are one drawing
  }
}

class JudgeView {
  constructor(judge, classes, colours) {
    Object.assign(this, { judge, classes, asking: false, next: null });
    const make = (name, className, parent, text = "") => {
      const made = document.createElement(name);
      Object.assign(made, { className, textContent: text });
      parent?.append(made);
      return made;
    };
    this.element = make("div", "judge");
    make("h4", "", this.element, judge.name);
    this.says = make("p", "says", this.element, "…");
    this.rows = classes.map((name, k) => {
      const row = make("div", "row", this.element);
      make("span", "", row, name);
      const fill = make("i", "", make("span", "bar", row));
      fill.style.background = colours[k];
      return { row, fill, value: make("span", "value", row) };
    });
    this.rank(classes.map(() => 0));
    this.flag = make("p", "flag", this.element);
    this.judged = make("b", "", this.flag, "…"); // so that it takes its room before it says anything
    this.reason = make("span", "", this.flag);
    this.took = make("p", "took", this.element);
  }

  wait() {
    this.next = null;
    this.says.textContent = "Draw something";
    for (const { row, fill, value } of this.rows) {
      row.classList.remove("top");
      fill.style.width = 0;
      value.textContent = "";
    }
    this.flag.hidden = this.took.hidden = true;
    delete this.element.dataset.top;
  }

  // The likeliest first, where there is no room for ten.
  rank(probabilities) {
    const order = probabilities.map((_, k) => k).sort((a, b) => probabilities[b] - probabilities[a]);
    order.forEach((k, rank) => {
      this.rows[k].row.style.setProperty("--rank", rank);
      this.rows[k].row.classList.toggle("far", rank > 2);
    });
  }

  async ask(pixels, ended) {
    this.next = pixels;
    if (this.asking) return;
    this.asking = true;
    while (this.next !== null && !ended()) {
      const asked = this.next, began = performance.now();
      this.next = null;
      try {
        const address = new URL(`api/runs/${this.judge.run}/answer?step=${this.judge.step}&pixels=${asked}`, base());
        const answer = await fetch(address, { signal: AbortSignal.timeout(20_000) });
        const found = await answer.json();
        if (!answer.ok) throw new Error(found.error);
        if (this.next === null || this.next !== asked) this.show(found, performance.now() - began);
      } catch (error) {
        if (!ended()) this.fail(error);
      }
    }
    this.asking = false;
  }

  show({ probabilities, stranger, rank, reason }, milliseconds) {
    const top = probabilities.indexOf(Math.max(...probabilities));
    const percent = (share) => `${(100 * share).toFixed(share > 0.9995 || share < 0.0005 ? 0 : 1)} %`;
    this.says.textContent = stranger ? `${this.classes[top]}? ` : this.classes[top];
    const small = document.createElement("small");
    small.textContent = stranger ? " if it had to choose" : ` ${percent(probabilities[top])}`;
    this.says.append(small);
    this.rows.forEach(({ row, fill, value }, k) => {
      row.classList.toggle("top", k === top);
      fill.style.width = `${100 * probabilities[k]}%`;
      value.textContent = percent(probabilities[k]);
    });
    this.flag.hidden = this.took.hidden = false;
    this.flag.classList.toggle("stranger", stranger);
    this.rank(probabilities);
    this.judged.textContent = stranger ? "Unlike anything it was trained on." : "It looks like what it was trained on.";
    const less = `${Math.min(99.9, 100 * rank).toFixed(rank > 0.99 ? 1 : 0)} % of training pictures are less strange. `;
    this.reason.textContent = less + (stranger ? reason : "");
    this.took.textContent = `Answered within ${Math.max(1, Math.round(milliseconds))} ms.`;
    this.element.dataset.top = this.classes[top];
    this.element.dataset.milliseconds = milliseconds.toFixed(1);
  }

  fail(error) {
    this.says.textContent = "No answer";
    this.flag.hidden = false;
    this.judged.textContent = `${error.message}.`;
    this.reason.textContent = "";
  }
}
