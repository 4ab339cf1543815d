// Tiles of pictures, enlarged by a whole number, for the mouse and the keyboard. See sprite.js.

const GAPS = [8, 26]; // pixels between two columns: at least, at most
const NARROWEST = 62; // pixels of a column: room for "T-shirt/top"
const PADDING = 8;
const ROWS_PER_PAGE = 5; // PageUp and PageDown

export default (given) => live(given, ImageGrid, ".pictures", "activated");

class ImageGrid {
  constructor(list) {
    Object.assign(this, { list, shown: "", sprite: "", url: "", across: 1, current: 0 });
    list.onclick = (event) => this.clicked(event);
    list.onkeydown = (event) => this.pressed(event);
    list.addEventListener("focusin", (event) => this.rove(this.tiles().indexOf(event.target.closest(".picture"))));
    this.resized = new ResizeObserver(() => this.fit());
    this.resized.observe(list);
    returnToPlace();
  }

  end() {
    this.resized.disconnect();
    URL.revokeObjectURL(this.url);
  }

  tiles() {
    return [...this.list.querySelectorAll(".picture")];
  }

  show(data) {
    this.data = data;
    if (data.sprite !== this.sprite) {
      URL.revokeObjectURL(this.url);
      this.url = setSprite(this.list, data.sprite, data.spriteColumns);
      this.sprite = data.sprite;
    }
    const { sprite: _, ...rest } = data;
    const wanted = JSON.stringify(rest);
    if (wanted !== this.shown) this.build(); // else only the theme has changed, which is the style sheet's work
    for (const tile of this.list.querySelectorAll(".activated")) tile.classList.remove("activated");
    this.shown = wanted;
    this.fit();
  }

  build() {
    const { count, captions, hovers, colours, links, strips, marked, spriteColumns, alt } = this.data;
    const hadFocus = this.list.getRootNode().activeElement?.matches?.(".picture");
    this.list.setAttribute("aria-label", `${alt}. Arrow keys move, Enter opens.`);
    const items = [];
    for (let i = 0; i < count; i += 1) {
      const tile = document.createElement(links[i] ? "a" : "button");
      tile.className = "picture";
      if (links[i]) tile.href = links[i];
      else tile.type = "button";
      tile.title = hovers[i];
      tile.setAttribute("aria-label", hovers[i] || captions[i]);
      tile.classList.toggle("marked", i === marked);
      if (i === marked) tile.setAttribute("aria-current", "true");
      if (colours[i]) {
        tile.classList.add("coloured");
        tile.style.setProperty("--mark", colours[i]);
      }
      tile.append(pixelsAt(i, spriteColumns));
      if (strips[i]) {
        const strip = document.createElement("span");
        strip.className = "strip";
        strip.style.background = strips[i];
        tile.append(strip);
      }
      if (captions[i]) {
        const caption = document.createElement("span");
        caption.className = "caption";
        caption.textContent = captions[i];
        tile.append(caption);
      }
      const item = document.createElement("li");
      item.append(tile);
      items.push(item);
    }
    this.list.replaceChildren(...items);
    this.rove(Math.max(0, Math.min(marked ?? this.current, count - 1)));
    if (hadFocus) this.tiles()[this.current]?.focus();
  }

  // The largest whole zoom at which all columns fit; at the smallest one (2), as many columns as fit.
  fit() {
    const room = this.list.clientWidth - PADDING;
    if (room <= 0) return;
    const { columns, zoom } = this.data;
    const width = (k) => Math.max(28 * k, NARROWEST);
    const fitting = (k) => Math.max(1, Math.floor((room + GAPS[0]) / (width(k) + GAPS[0])));
    let best = zoom;
    while (best > 2 && fitting(best) < columns) best -= 1;
    this.across = Math.min(columns, fitting(best));
    const gap = (room - this.across * width(best)) / Math.max(1, this.across - 1);
    const { style } = this.list;
    style.setProperty("--zoom", best);
    style.gridTemplateColumns = `repeat(${this.across}, ${width(best)}px)`;
    style.columnGap = `${Math.min(Math.max(gap, 0), GAPS[1])}px`;
  }

  // One tile takes part in the order of the Tab key; the arrows move it.
  rove(position) {
    if (position < 0) return;
    this.current = position;
    this.tiles().forEach((tile, i) => (tile.tabIndex = i === position ? 0 : -1));
  }

  clicked(event) {
    const tile = event.target.closest(".picture");
    if (!tile || opensElsewhere(event)) return;
    tile.classList.add("activated"); // at once; the server's answer comes later
    if (tile.href) follow(event, tile);
    else this.tell(this.tiles().indexOf(tile));
  }

  pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    keepFromStreamlit(event);
    const tiles = this.tiles();
    const last = tiles.length - 1;
    const { current, across } = this;
    const column = current % across;
    const lowest = last - ((last - column) % across); // the last tile of this column
    const to = {
      ArrowLeft: current - 1,
      ArrowRight: current + 1,
      ArrowUp: current - across,
      ArrowDown: current + across,
      Home: 0,
      End: last,
      PageUp: Math.max(column, current - ROWS_PER_PAGE * across),
      PageDown: Math.min(lowest, current + ROWS_PER_PAGE * across),
    }[event.key];
    if (event.key === " " && tiles[current]?.matches("a")) {
      event.preventDefault();
      tiles[current].click();
    }
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    tiles[to]?.focus();
  }
}
