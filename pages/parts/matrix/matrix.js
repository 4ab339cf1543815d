// A table of 10 x 10 buttons with row and column headings. Arrow keys move, Enter and a click choose.

export default function ({ data, parentElement, setTriggerValue }) {
  const table = parentElement.querySelector(".matrix");
  if (!table.tBodies[0].rows.length) build(table, data.classes);
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
    const limit = (value) => Math.min(10, Math.max(0, value));
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
function build(table, classes) {
  const cell = (kind, row, column) => {
    const element = document.createElement(kind);
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = row === 1 && column === 1 ? 0 : -1;
    Object.assign(button.dataset, { row, column, true: row ? row - 1 : "", predicted: column ? column - 1 : "" });
    element.append(button);
    return element;
  };
  const head = table.tHead.insertRow();
  const corner = document.createElement("th");
  corner.innerHTML = "<span>predicted →</span><span>↓ true</span>";
  head.append(corner);
  classes.forEach((name, i) => {
    const heading = cell("th", 0, i + 1);
    heading.scope = "col";
    heading.firstChild.textContent = name;
    heading.firstChild.setAttribute("aria-label", `All pictures predicted as ${name}`);
    head.append(heading);
  });
  classes.forEach((name, i) => {
    const row = table.tBodies[0].insertRow();
    const heading = cell("th", i + 1, 0);
    heading.scope = "row";
    heading.firstChild.textContent = name;
    heading.firstChild.setAttribute("aria-label", `All pictures of ${name}`);
    row.append(heading, ...classes.map((_, j) => cell("td", i + 1, j + 1)));
  });
}

function fill(table, { classes, counts, selected, errorsOnly }) {
  const highest = Math.max(1, ...counts.flatMap((row, i) => row.filter((_, j) => !errorsOnly || i !== j)));
  for (const button of table.querySelectorAll("button")) {
    const row = button.dataset.true === "" ? null : Number(button.dataset.true);
    const column = button.dataset.predicted === "" ? null : Number(button.dataset.predicted);
    button.setAttribute("aria-pressed", String(row === selected[0] && column === selected[1] && (row ?? column) !== null));
    if (row === null || column === null) continue;
    const count = counts[row][column];
    const isBlank = errorsOnly && row === column;
    const share = isBlank ? 0 : Math.sqrt(count / highest); // a square root: small counts stay visible
    button.textContent = count || "·";
    button.title = `True: ${classes[row]}\nPredicted: ${classes[column]}\n${count.toLocaleString("en")} pictures`;
    button.setAttribute("aria-label", `${classes[row]} predicted as ${classes[column]}: ${count}`);
    button.style.setProperty("--share", `${Math.round(100 * share)}%`);
    button.classList.toggle("dark", share > 0.55);
    button.classList.toggle("diagonal", row === column);
    button.disabled = false;
  }
}
