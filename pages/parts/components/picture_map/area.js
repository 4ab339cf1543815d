// A part of a map that somebody draws around, with few corners, as fmnist_core/inside/area.py reads it. No state.

// The corners of a line without those that lie within `tolerance` of it (Ramer, 1972; Douglas and Peucker, 1973); the tolerance
// grows until there are at most `most`.
function simplified(line, tolerance, most) {
  let corners = line;
  for (let wide = tolerance; corners.length > most || wide === tolerance; wide *= 1.5) corners = within(line, wide);
  return corners;
}

function within(line, tolerance) {
  if (line.length < 3) return line;
  const [first, last] = [line[0], line.at(-1)];
  let [far, most] = [0, -1];
  for (let i = 1; i < line.length - 1; i += 1) {
    const distance = fromLine(line[i], first, last);
    if (distance > most) [far, most] = [i, distance];
  }
  if (most <= tolerance) return [first, last];
  return [...within(line.slice(0, far + 1), tolerance).slice(0, -1), ...within(line.slice(far), tolerance)];
}

function fromLine([x, y], [x1, y1], [x2, y2]) {
  const length = Math.hypot(x2 - x1, y2 - y1);
  if (length === 0) return Math.hypot(x - x1, y - y1);
  return Math.abs((x2 - x1) * (y1 - y) - (x1 - x) * (y2 - y1)) / length;
}

const asText = (corners) => corners.flat().map((value) => Math.max(-9999, Math.min(9999, Math.round(100 * value)))).join("_");

// a class with its probability
function bar(name, share, colour) {
  const line = document.createElement("li"), ink = document.createElement("i");
  ink.style.background = colour;
  ink.style.width = `${Math.max(2, 100 * share)}%`;
  line.append(`${name} ${(100 * share).toFixed(1)} %`, ink);
  return line;
}

// What a map keeps, in a sentence.
function inWords({ of, by, share, near, count }) {
  const where = of === "pixels" ? "by its pixels" : "in the layer";
  const kept = near === null ? "" : ` Of each picture’s ten nearest ${where}, ${(100 * near).toFixed(0)} % are among its ten nearest here.`;
  const part = by === "components" ? ` These two directions have ${(100 * share).toFixed(0)} % of the variance.` : "";
  const some = count < 10_000 ? ` The first ${count.toLocaleString("en")} pictures.` : "";
  return (part + kept + some).trim();
}
