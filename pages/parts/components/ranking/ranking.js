// A table whose headings sort it and whose first column leads somewhere. Sorting is the server's work: it is in the address.

export default function ({ data, parentElement, setTriggerValue }) {
  const table = parentElement.querySelector("table");
  const { columns, rows, sorted, descending, label } = data;
  const focused = table.getRootNode().activeElement?.dataset?.key;
  table.setAttribute("aria-label", label);

  const head = document.createElement("tr");
  for (const column of columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.className = column.number ? "number" : "";
    if (column.key === sorted) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
    if (column.key) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = column.label;
      button.title = column.help;
      button.dataset.key = column.key;
      button.onclick = () => setTriggerValue("sort", column.key);
      cell.append(button);
    } else {
      cell.textContent = column.label;
      cell.title = column.help;
    }
    head.append(cell);
  }
  table.tHead.replaceChildren(head);

  table.tBodies[0].replaceChildren(
    ...rows.map(({ cells, link, note, is_shaded: isShaded }) => {
      const row = document.createElement("tr");
      row.className = isShaded ? "shaded" : "";
      cells.forEach((text, i) => {
        const cell = document.createElement(i ? "td" : "th");
        cell.className = [columns[i].number && "number", columns[i].wide && "wide"].filter(Boolean).join(" ");
        if (i) {
          cell.textContent = text;
        } else {
          cell.scope = "row";
          cell.append(link ? anchor(text, link) : text);
          if (note) cell.append(Object.assign(document.createElement("small"), { textContent: note }));
        }
        row.append(cell);
      });
      return row;
    }),
  );
  if (focused) table.querySelector(`[data-key="${focused}"]`)?.focus();
}

function anchor(text, link) {
  const element = document.createElement("a");
  element.textContent = text;
  element.href = link;
  if (link.startsWith("https://")) {
    Object.assign(element, { target: "_blank", rel: "noopener noreferrer" });
    return element;
  }
  element.onclick = (event) => follow(event, element);
  return element;
}
