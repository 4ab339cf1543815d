// A table of 10 x 10 buttons with row and column headings. Arrow keys move, Enter and a click choose.

export default function ({ data, parentElement, setTriggerValue }) {
  const table = parentElement.querySelector(".matrix");
  if (!table.tBodies[0].rows.length) build(table, data.classes.length);
  fill(table, data);

  const choose = (button) => {
    for (const other of table.querySelectorAll("[aria-pressed=true]")) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", "true"); // at once: the server's answer comes later
    const number = (text) => (text === "" ? null : Number(text));
    setTriggerValue("cell", { true: number(button.dataset.true), predicted: number(button.dataset.predicted) });
  };
  table.onclick = (event) => {
    const button = event.target.closest("button");
    if (button) {
      focus(table, button);
      choose(button);
    }
  };
  table.onkeydown = (event) => {
    event.stopPropagation(); // Streamlit listens to "r" and "c"
    const button = event.target.closest("button");
    const move = {
      ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -99], End: [0, 99],
      PageUp: [-99, 0], PageDown: [99, 0],
    }[event.key];
    if (!button || !move) return;
    event.preventDefault();
    const limit = (value) => Math.min(data.classes.length, Math.max(0, value));
    const [row, column] = [limit(Number(button.dataset.row) + move[0]), limit(Number(button.dataset.column) + move[1])];
    const next = table.querySelector(`[data-row="${row}"][data-column="${column}"]`);
    if (next) focus(table, next).focus();
  };
}

function focus(table, button) {
  for (const other of table.querySelectorAll("button")) other.tabIndex = -1;
  button.tabIndex = 0;
  return button;
}

// row 0 and column 0 are the headings
function build(table, count) {
  const cell = (kind, row, column) => {
    const element = document.createElement(kind);
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = row === 1 && column === 1 ? 0 : -1;
    Object.assign(button.dataset, { row, column });
    element.append(button);
    return element;
  };
  const head = table.tHead.insertRow();
  const corner = document.createElement("th");
  corner.innerHTML = "<span>predicted →</span><span>↓ true</span>";
  head.append(corner);
  for (let column = 1; column <= count; column += 1) {
    const heading = cell("th", 0, column);
    heading.scope = "col";
    head.append(heading);
  }
  for (let row = 1; row <= count; row += 1) {
    const heading = cell("th", row, 0);
    heading.scope = "row";
    const line = table.tBodies[0].insertRow();
    line.append(heading);
    for (let column = 1; column <= count; column += 1) line.append(cell("td", row, column));
  }
}

function fill(table, { classes, order, texts, short, tones, hovers, selected, colours }) {
  table.style.setProperty("--more", colours[0] ?? "var(--st-primary-color)");
  table.style.setProperty("--less", colours[1] ?? "var(--st-primary-color)");
  for (const button of table.querySelectorAll("button")) {
    const row = Number(button.dataset.row) ? order[Number(button.dataset.row) - 1] : null;
    const column = Number(button.dataset.column) ? order[Number(button.dataset.column) - 1] : null;
    Object.assign(button.dataset, { true: row ?? "", predicted: column ?? "" });
    button.setAttribute("aria-pressed", String(row === selected[0] && column === selected[1] && (row ?? column) !== null));
    if (row === null || column === null) {
      button.textContent = classes[row ?? column];
      const words = row === null ? "All pictures predicted as" : "All pictures of";
      button.setAttribute("aria-label", `${words} ${classes[row ?? column]}`);
      continue;
    }
    const tone = tones[row][column];
    const [long, brief] = [document.createElement("span"), document.createElement("span")];
    [long.textContent, brief.textContent] = [texts[row][column], short[row][column]];
    [long.className, brief.className] = ["long", "brief"];
    button.replaceChildren(...(texts[row][column] === short[row][column] ? [texts[row][column]] : [long, brief]));
    button.title = `True: ${classes[row]}\nPredicted: ${classes[column]}\n${hovers[row][column]}`;
    button.setAttribute("aria-label", `${classes[row]} predicted as ${classes[column]}: ${hovers[row][column]}`);
    button.style.setProperty("--share", `${Math.round(100 * Math.abs(tone))}%`);
    button.style.setProperty("--tone", tone < 0 ? "var(--less)" : "var(--more)");
    button.classList.toggle("dark", Math.abs(tone) > 0.55);
    button.classList.toggle("diagonal", row === column);
  }
}
