// One picture as 28 x 28 numbers. Cells have whole device pixels, so that every edge is sharp at any zoom.

const SIDE = 28;
const LARGEST_FIT = 24; // CSS pixels of a cell: the whole grid stays on a laptop's screen
const ZOOMS = [1, 1.4, 2, 2.8, 4];
const SMALLEST_TEXT = 6.5; // CSS pixels; below, numbers are left out
const ROWS_PER_PAGE = 5; // PageUp and PageDown

export default (given) => live(given, PixelGrid, ".pixel-grid");

class PixelGrid {
  constructor(root) {
    const find = (name) => root.querySelector(name);
    Object.assign(this, { root, box: find(".box"), canvas: find("canvas"), zoom: 0, cell: 0 });
    Object.assign(this, { hovered: null, cursor: null, anchor: null, region: null, dragging: false });
    for (const name of ["pixel", "region", "hint", "spoken"]) this[`${name}Line`] = find(`.${name}`);
    [this.less, this.more, this.selectButton] = [find(".less"), find(".more"), find(".select")];
    this.less.onclick = () => this.zoomTo(this.zoom - 1);
    this.more.onclick = () => this.zoomTo(this.zoom + 1);
    this.selectButton.onclick = () => {
      const on = this.canvas.classList.toggle("selecting");
      this.selectButton.setAttribute("aria-pressed", String(on));
    };
    const { canvas } = this;
    canvas.onpointerdown = (event) => this.pointerDown(event);
    canvas.onpointermove = (event) => this.pointerMove(event);
    canvas.onpointerup = canvas.onpointercancel = () => (this.dragging = false);
    canvas.onpointerleave = (event) => event.pointerType === "touch" || this.hover(null); // a tap stays read
    canvas.onmousedown = (event) => event.preventDefault(); // a mouse does not take the arrow keys away from the page
    canvas.onkeydown = (event) => this.pressed(event);
    canvas.onfocus = () => {
      this.cursor ??= { row: SIDE / 2, column: SIDE / 2 };
      this.moved();
    };
    canvas.onblur = () => this.refresh();
    this.escaped = (event) => event.key === "Escape" && this.clear();
    document.addEventListener("keydown", this.escaped);
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(root);
  }

  end() {
    document.removeEventListener("keydown", this.escaped);
    this.resized.disconnect();
  }

  show(data) {
    this.data = data;
    this.values = data.scales[data.shown].values;
    this.fit();
    this.say();
  }

  get focused() {
    return this.root.getRootNode().activeElement === this.canvas;
  }

  // --- Size ---

  fit() {
    const room = this.root.clientWidth - 2;
    if (room <= 0 || !this.data) return;
    this.fitting = Math.max(4, Math.min(LARGEST_FIT, Math.floor(room / SIDE)));
    this.resize();
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const deviceCell = Math.round(this.fitting * ZOOMS[this.zoom] * ratio);
    const wholeFit = (Math.round(this.fitting * ratio) * SIDE) / ratio;
    this.cell = deviceCell / ratio;
    const size = this.cell * SIDE;
    Object.assign(this.canvas, { width: deviceCell * SIDE, height: deviceCell * SIDE });
    Object.assign(this.canvas.style, { width: `${size}px`, height: `${size}px` });
    Object.assign(this.box.style, { width: `${wholeFit}px`, height: `${wholeFit}px`, overflow: this.zoom ? "auto" : "hidden" });
    this.root.style.setProperty("--width", `${wholeFit + 2}px`);
    this.context = this.canvas.getContext("2d");
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.less.disabled = this.zoom === 0;
    this.more.disabled = this.zoom === ZOOMS.length - 1;
    this.draw();
  }

  zoomTo(zoom) {
    if (zoom < 0 || zoom >= ZOOMS.length) return;
    const { box } = this;
    const at = (start, length) => (start + length / 2) / this.cell; // the cell in the middle stays in the middle
    const [x, y] = [at(box.scrollLeft, box.clientWidth), at(box.scrollTop, box.clientHeight)];
    this.zoom = zoom;
    this.resize();
    box.scrollTo(x * this.cell - box.clientWidth / 2, y * this.cell - box.clientHeight / 2);
    if (this.focused) this.reveal();
  }

  // --- Drawing ---

  refresh() {
    this.wanted ??= requestAnimationFrame(() => {
      this.wanted = undefined;
      this.draw();
    });
  }

  // Gray from the lowest value (black) to the highest (white), as matplotlib's imshow; text white below max / 2.5 on the
  // ToTensor scale, which is the same as on the raw one, as in the tutorial.
  draw() {
    const { context, cell, values } = this;
    const raw = this.data.scales[this.data.raw].values;
    const low = Math.min(...raw), high = Math.max(...raw);
    const texts = values.map((value) => this.text(value));
    const font = this.fontSize(texts);
    this.hintLine.textContent =
      (font < SMALLEST_TEXT ? "Press + to see the numbers. " : "") +
      "Point at a pixel to read it, drag to select a region, Escape clears it. Keyboard: Tab into the grid, then the arrow keys, with Shift to select.";
    context.font = `${font}px ${getComputedStyle(this.root).fontFamily}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let i = 0; i < raw.length; i += 1) {
      const x = (i % SIDE) * cell, y = Math.floor(i / SIDE) * cell;
      const gray = high > low ? Math.round((255 * (raw[i] - low)) / (high - low)) : 0;
      context.fillStyle = `rgb(${gray} ${gray} ${gray})`;
      context.fillRect(x, y, cell, cell);
      if (font < SMALLEST_TEXT) continue;
      context.fillStyle = raw[i] < high / 2.5 ? "#fff" : "#000";
      context.fillText(texts[i], x + cell / 2, y + cell / 2 + font * 0.05);
    }
    const accent = getComputedStyle(this.root).getPropertyValue("--st-primary-color").trim() || "#4a52c9";
    const { region, hovered, cursor } = this;
    if (region) this.outline(region.top, region.left, region.bottom, region.right, accent);
    const pixel = hovered ?? (this.focused ? cursor : null);
    if (pixel) this.outline(pixel.row, pixel.column, pixel.row, pixel.column, hovered ? "#ee7733" : accent);
  }

  // Two lines beside each other, white and coloured: seen on black and on white.
  outline(top, left, bottom, right, colour) {
    const { context, cell } = this;
    const width = (right - left + 1) * cell, height = (bottom - top + 1) * cell;
    context.lineWidth = 2;
    context.strokeStyle = colour;
    context.strokeRect(left * cell + 1, top * cell + 1, width - 2, height - 2);
    context.lineWidth = 1;
    context.strokeStyle = "#fff";
    context.strokeRect(left * cell + 2.5, top * cell + 2.5, width - 5, height - 5);
  }

  fontSize(texts) {
    const { context, cell } = this;
    context.font = `10px ${getComputedStyle(this.root).fontFamily}`;
    const widest = Math.max(...[...new Set(texts)].map((text) => context.measureText(text).width));
    return Math.min(0.44 * cell, (10 * (cell - 3)) / widest);
  }

  // "0" for zero, as in the tutorial
  text(value, decimals = this.data.scales[this.data.shown].decimals) {
    return value === 0 ? "0" : value.toFixed(decimals).replace("-", "−");
  }

  // --- Mouse and finger ---

  at(event) {
    const bounds = this.canvas.getBoundingClientRect();
    const within = (length) => Math.max(0, Math.min(SIDE - 1, Math.floor(length / this.cell)));
    return { row: within(event.clientY - bounds.top), column: within(event.clientX - bounds.left) };
  }

  pointerDown(event) {
    const cell = this.at(event);
    this.hover(cell);
    if (event.button !== 0 || (event.pointerType === "touch" && !this.canvas.classList.contains("selecting"))) return;
    this.canvas.setPointerCapture(event.pointerId);
    Object.assign(this, { dragging: true, anchor: cell, region: null });
    this.say();
    this.refresh();
  }

  pointerMove(event) {
    const cell = this.at(event);
    if (this.dragging && (this.region || cell.row !== this.anchor.row || cell.column !== this.anchor.column)) {
      this.select(this.anchor, cell);
    }
    this.hover(cell);
  }

  hover(cell) {
    if (cell?.row === this.hovered?.row && cell?.column === this.hovered?.column) return;
    this.hovered = cell;
    this.sayPixel();
    this.refresh();
  }

  select(from, to) {
    const [top, bottom] = [from.row, to.row].sort((a, b) => a - b);
    const [left, right] = [from.column, to.column].sort((a, b) => a - b);
    this.region = { top, left, bottom, right };
    this.sayRegion();
  }

  clear() {
    if (!this.region) return false;
    Object.assign(this, { region: null, dragging: false, anchor: this.cursor });
    this.sayRegion();
    this.refresh();
    return true;
  }

  // --- Keyboard ---

  pressed(event) {
    const { key, shiftKey } = event;
    if (event.altKey || event.metaKey) return;
    if (key === "r" || key === "c") keepFromStreamlit(event);
    if (key === "+" || key === "-") this.zoomTo(this.zoom + (key === "+" ? 1 : -1));
    if (key === "Escape") {
      event.stopPropagation();
      if (!this.clear()) this.canvas.blur(); // the arrow keys change the picture again
      return;
    }
    const { row, column } = this.cursor;
    const far = event.ctrlKey;
    const to = {
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      Home: [far ? 0 : row, 0],
      End: [far ? SIDE - 1 : row, SIDE - 1],
      PageUp: [row - ROWS_PER_PAGE, column],
      PageDown: [row + ROWS_PER_PAGE, column],
    }[key];
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    if (!shiftKey) this.anchor = null;
    else this.anchor ??= this.cursor;
    const within = (n) => Math.max(0, Math.min(SIDE - 1, n));
    this.cursor = { row: within(to[0]), column: within(to[1]) };
    if (shiftKey) this.select(this.anchor, this.cursor);
    this.moved();
    this.spokenLine.textContent = shiftKey ? this.regionLine.innerText : this.pixelLine.innerText;
  }

  moved() {
    this.hovered = null;
    this.sayPixel();
    this.reveal();
    this.refresh();
  }

  reveal() {
    const { box, cell, cursor } = this;
    const into = (start, room, position) => {
      const from = position * cell, to = from + cell;
      return from < start ? from : to > start + room ? to - room : start;
    };
    box.scrollLeft = into(box.scrollLeft, box.clientWidth, cursor.column);
    box.scrollTop = into(box.scrollTop, box.clientHeight, cursor.row);
  }

  // --- Words ---

  say() {
    this.canvas.setAttribute(
      "aria-label",
      `${this.data.alt}, ${SIDE} by ${SIDE} numbers. Arrow keys read pixels, with Shift they select a region, plus and minus zoom, Escape clears and leaves.`,
    );
    this.sayPixel();
    this.sayRegion();
  }

  sayPixel() {
    const pixel = this.hovered ?? (this.focused ? this.cursor : null);
    const i = pixel && pixel.row * SIDE + pixel.column;
    const read = ({ values, decimals }) => (pixel ? this.text(values[i], decimals && 3) : "–");
    this.write(this.pixelLine, [
      ["Pixel", pixel ? `row ${pixel.row}, column ${pixel.column}` : "none"],
      ...this.data.scales.map((scale, n) => [scale.name, read(scale), n === this.data.shown]),
    ]);
  }

  // Of the region, or of the whole picture; the standard deviation divides by the count (no sample of anything).
  sayRegion() {
    const { top, left, bottom, right } = this.region ?? { top: 0, left: 0, bottom: SIDE - 1, right: SIDE - 1 };
    const numbers = [];
    let zeros = 0;
    for (let row = top; row <= bottom; row += 1) {
      for (let column = left; column <= right; column += 1) {
        numbers.push(this.values[row * SIDE + column]);
        zeros += this.data.scales[this.data.raw].values[row * SIDE + column] === 0;
      }
    }
    const count = numbers.length;
    const mean = numbers.reduce((a, b) => a + b, 0) / count;
    const std = Math.sqrt(numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count);
    const { decimals } = this.data.scales[this.data.shown];
    const where = `rows ${top} to ${bottom}, columns ${left} to ${right}`;
    this.write(this.regionLine, [
      this.region ? ["Region", `${where}: ${count} pixels`] : ["Whole picture", `${count} pixels`],
      ["min", this.text(Math.min(...numbers), decimals && 3)],
      ["max", this.text(Math.max(...numbers), decimals && 3)],
      ["mean", this.text(mean, decimals ? 3 : 1)],
      ["standard deviation", this.text(std, decimals ? 3 : 1)],
      ["raw zeros", `${((100 * zeros) / count).toFixed(1)} %`],
    ]);
  }

  write(line, pairs) {
    line.replaceChildren(
      ...pairs.map(([term, words, shown]) => {
        const pair = document.createElement("div");
        pair.classList.toggle("shown", Boolean(shown));
        pair.append(document.createElement("dt"), document.createElement("dd"));
        pair.firstChild.textContent = term;
        pair.lastChild.textContent = words;
        return pair;
      }),
    );
  }
}
