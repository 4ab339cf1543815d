// A list of runs that follows them. What it knows comes from the app's route (route.py); filters are in the page's address.

const HEADS = {
  tick: ["", "Lay it over the chart"],
  run: ["Run", ""],
  state: ["State", ""],
  accuracy: ["Accuracy", "Share of the 10,000 test images that are right; of the held-out images while the run's sweep is open"],
  epochs: ["Epochs", ""],
  settings: ["Settings", "The recipe, or what is not the tutorial's"],
  owner: ["Whose", ""],
  time: ["Training time", "Without pauses and measurements"],
  started: ["Started", ""],
};
const RIGHT = new Set(["accuracy", "epochs", "time"]);
const ARROWS = { earlier: "↑", later: "↓", cancel: "✕" };

const lists = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let list = lists.get(parentElement);
  if (!list) {
    list = new RunList(parentElement);
    lists.set(parentElement, list);
  }
  list.send = setTriggerValue;
  list.data = data;
  list.draw();
  if (!list.timer && !list.isAsking) list.ask();
  return () => {
    list.end();
    lists.delete(parentElement);
  };
}

class RunList {
  constructor(root) {
    const asking = new Asking((text) => this.say(text), "No answer from the server, asking again …");
    Object.assign(this, { root, asking, rows: null, version: "", all: false, ended: false });
    this.table = root.querySelector("table");
  }

  async ask() {
    this.isAsking = true;
    const news = await this.asking.get(new URL(`api/runs?known=${this.version}`, base()));
    if (this.ended) return;
    const least = document.hidden ? 10_000 : this.rows?.some((row) => row.is_active) ? 1500 : 3000;
    this.isAsking = false;
    this.timer = setTimeout(() => this.ask(), news ? Math.max(least, news.again ?? 0) : this.asking.pause); // the more follow, the later
    if (news?.rows) {
      [this.rows, this.version] = [news.rows, news.version];
      this.draw();
    }
  }

  end() {
    this.ended = this.asking.ended = true;
    clearTimeout(this.timer);
  }

  say(text) {
    this.root.querySelector(".note").textContent = text;
  }

  // --- What is shown ---

  fits(row) {
    const { whose, state, recipe } = this.data.filters;
    return (
      (whose !== "mine" || this.data.me.includes(row.who)) &&
      (!state || state === "any" || row.state === state) &&
      (!recipe || recipe === "any" || row.recipe === recipe)
    );
  }

  // [[heading, rows]]: one without a heading, or one for each person, or for the same settings.
  groups(rows) {
    const by = { person: (row) => row.owner, settings: (row) => row.settings }[this.data.filters.grouped];
    if (!by) return [["", rows]];
    const found = new Map();
    for (const row of rows) found.set(by(row), [...(found.get(by(row)) ?? []), row]);
    return [...found].map(([name, members]) => {
      const known = members.filter((row) => row.share);
      const best = known.length ? `, best ${known.reduce((a, b) => (b.share > a.share ? b : a)).accuracy}` : "";
      return [`${name}: ${members.length} run${members.length > 1 ? "s" : ""}${best}`, members];
    });
  }

  draw() {
    if (!this.rows) return;
    const { columns, most, filters } = this.data;
    const focused = this.table.getRootNode().activeElement?.dataset?.focus;
    const wanted = this.rows.filter((row) => this.fits(row));
    const shown = this.all ? wanted : wanted.slice(0, most);
    const isTree = !filters.grouped || filters.grouped === "no";

    this.table.tHead.replaceChildren(this.line("th", columns.map((name) => [name, HEADS[name][0], HEADS[name][1]])));
    this.table.tBodies[0].replaceChildren(
      ...this.groups(shown).flatMap(([heading, rows]) => [...(heading ? [this.heading(heading)] : []), ...rows.map((row) => this.row(row, isTree))]),
    );
    this.table.setAttribute("aria-label", "Runs");
    this.rest(shown.length, wanted.length);
    if (focused) this.table.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
    this.root.querySelector(".runs").dataset.shown = shown.length;
  }

  rest(shown, wanted) {
    const more = this.root.querySelector(".more");
    more.replaceChildren();
    if (!this.rows.length) more.append("No run yet.");
    else if (!wanted) more.append("No run fits these filters.");
    else if (shown < wanted) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: `Show all ${wanted.toLocaleString("en")}` });
      button.onclick = () => {
        this.all = true;
        this.draw();
      };
      more.append(button);
    }
  }

  line(kind, cells) {
    const line = document.createElement("tr");
    for (const [name, content, title] of cells) {
      const cell = document.createElement(name === "run" && kind === "td" ? "th" : kind);
      cell.className = `${name}${RIGHT.has(name) ? " number" : ""}`;
      if (kind === "th") cell.scope = "col";
      else if (name === "run") cell.scope = "row";
      if (title) cell.title = title;
      cell.append(...[content].flat());
      line.append(cell);
    }
    return line;
  }

  heading(text) {
    const line = document.createElement("tr");
    line.className = "group";
    line.append(Object.assign(document.createElement("th"), { colSpan: this.data.columns.length, textContent: text }));
    return line;
  }

  row(row, isTree) {
    const cells = {
      tick: () => [this.tick(row)],
      run: () => [isTree && row.depth ? `${"\u2003".repeat(row.depth - 1)}└ ` : "", this.link(row)],
      state: () => [Object.assign(document.createElement("span"), { className: `dot ${row.colour}` }), row.words, ...this.asks(row)],
      accuracy: () => [row.is_held_out && row.share ? `${row.accuracy} held out` : row.accuracy],
      started: () => [ago(row.started)],
    };
    const titles = { run: row.note || row.title, settings: row.settings, owner: row.owner, started: new Date(row.started).toLocaleString() };
    const line = this.line("td", this.data.columns.map((name) => [name, (cells[name] ?? (() => [row[name]]))(), titles[name]]));
    line.className = row.id === this.data.chosen ? "chosen" : "";
    return line;
  }

  link(row) {
    const link = document.createElement("a");
    link.textContent = row.title;
    link.href = this.data.links[row.is_active ? "active" : "ended"].replace("RUN", row.id);
    link.dataset.focus = `run-${row.id}`;
    if (row.id === this.data.chosen) link.setAttribute("aria-current", "true");
    link.onclick = (event) => follow(event, link);
    return link;
  }

  tick(row) {
    const tick = document.createElement("input");
    const isOwn = row.id === this.data.chosen;
    Object.assign(tick, { type: "checkbox", checked: isOwn || this.data.beside.includes(row.id), disabled: isOwn || !row.has_curve });
    tick.setAttribute("aria-label", `Lay ${row.title} over the chart`);
    tick.dataset.focus = `tick-${row.id}`;
    tick.onchange = () => this.send("tick", row.id);
    return tick;
  }

  // Of one's own waiting runs: another place in the queue, or none.
  asks(row) {
    if (!this.data.asks || !row.is_waiting || !this.data.me.includes(row.who)) return [];
    const buttons = Object.entries(ARROWS).map(([what, sign]) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: sign, title: `${what[0].toUpperCase()}${what.slice(1)}` });
      button.setAttribute("aria-label", `${button.title}: ${row.title}`);
      button.dataset.focus = `${what}-${row.id}`;
      button.onclick = () => this.send("ask", `${what}/${row.id}`);
      return button;
    });
    const span = Object.assign(document.createElement("span"), { className: "asks" });
    span.append(...buttons.flatMap((button) => [button, " "]));
    return [span];
  }
}

function ago(iso) {
  const seconds = (Date.now() - new Date(iso)) / 1000;
  if (!Number.isFinite(seconds)) return "–";
  for (const [one, several, length] of [["day", "days", 86_400], ["h", "h", 3600], ["min", "min", 60]]) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${count > 1 ? several : one} ago`;
  }
  return "just now";
}
