// Rows of pictures. One of the links takes part in the order of the Tab key; the arrows move it.

const lists = new WeakMap(); // what each one shows, so that a redraw with the same data changes nothing

export default function ({ data, parentElement }) {
  const list = parentElement.querySelector(".rows");
  const wanted = JSON.stringify(data);
  const old = lists.get(parentElement);
  if (old?.shown !== wanted) {
    if (old) URL.revokeObjectURL(old.url);
    lists.set(parentElement, { shown: wanted, url: build(list, data) });
    if (!old) returnToPlace();
  }
  return () => {
    URL.revokeObjectURL(lists.get(parentElement)?.url);
    lists.delete(parentElement);
  };
}

function build(list, { rows, sprite, spriteColumns, alt }) {
  const url = setSprite(list, sprite, spriteColumns);
  list.setAttribute("aria-label", `${alt}. Arrow keys move, Enter opens.`);
  list.replaceChildren(...rows.map((row) => line(row, spriteColumns)));
  rove(list, links(list)[0]);
  list.onclick = clicked;
  list.onkeydown = (event) => pressed(event, list);
  list.addEventListener("focusin", (event) => rove(list, event.target.closest("a")));
  return url;
}

const links = (place) => [...place.querySelectorAll("a")];

function rove(list, link) {
  if (!link) return;
  for (const other of links(list)) other.tabIndex = other === link ? 0 : -1;
}

function clicked(event) {
  const link = event.target.closest("a");
  if (link) follow(event, link);
}

function pressed(event, list) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  keepFromStreamlit(event);
  const link = event.target.closest("a");
  const row = link?.closest(".row");
  if (!row) return;
  const [all, lines] = [links(list), [...list.children]];
  const nextRow = (by) => {
    const other = lines[lines.indexOf(row) + by];
    return other && (links(other)[links(row).indexOf(link)] ?? links(other).at(-1));
  };
  const to = {
    ArrowLeft: all[all.indexOf(link) - 1],
    ArrowRight: all[all.indexOf(link) + 1],
    ArrowUp: nextRow(-1),
    ArrowDown: nextRow(1),
    Home: all[0],
    End: all.at(-1),
  };
  if (event.key === " ") link.click();
  else if (!(event.key in to)) return;
  event.preventDefault();
  event.stopPropagation();
  to[event.key]?.focus();
}

function line(row, spriteColumns) {
  const item = make("li", "row");
  item.classList.toggle("with-lead", row.lead !== null);
  if (row.lead) item.append(picture(row.lead, spriteColumns, "lead"));
  const words = make("div", "words");
  const title = make(row.link ? "a" : "span", "title", row.title);
  if (row.link) title.href = row.link;
  words.append(title);
  if (row.note) words.append(make("span", "note", row.note));
  if (row.bars.length) words.append(bars(row.bars));
  item.append(words);
  for (const { label, pictures } of row.strips) {
    const strip = make("div", "strip");
    if (label) strip.append(make("div", "label", label));
    const shown = make("div", "pictures");
    shown.append(...pictures.map((one) => picture(one, spriteColumns)));
    strip.append(shown);
    item.append(strip);
  }
  return item;
}

function bars(all) {
  const list = make("dl", "bars");
  for (const { name, share, words, colour } of all) {
    const track = make("dd", "track");
    track.setAttribute("aria-hidden", "true");
    const fill = make("span", "fill");
    fill.style.setProperty("--share", `${100 * share}%`);
    fill.style.setProperty("--mark", colour);
    track.append(fill);
    list.append(make("dt", "", name), track, make("dd", "", words));
  }
  return list;
}

function picture({ place, hover, link, caption, colour }, spriteColumns, kind = "") {
  const tile = make("a", `picture ${kind}`);
  tile.href = link;
  tile.title = hover;
  tile.setAttribute("aria-label", hover);
  if (colour) {
    tile.classList.add("coloured");
    tile.style.setProperty("--mark", colour);
  }
  tile.append(pixelsAt(place, spriteColumns));
  if (caption) tile.append(make("span", "caption", caption));
  return tile;
}

function make(kind, name, text = "") {
  const element = document.createElement(kind);
  if (name) element.className = name;
  if (text) element.textContent = text;
  return element;
}
