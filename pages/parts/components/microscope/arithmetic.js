// The arithmetic behind one value, as text: real numbers that add up to what is shown, to the last digit shown.

const DIGITS = 3;

const LARGE = 1e7; // as fmnist_core/numbers.py: from here on a power of ten
const power = (value) => {
  const [digit, exponent] = value.toExponential(2).split("e+");
  return `${digit} × 10${Array.from(exponent, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]).join("")}`;
};
const shown = (value, digits = DIGITS) => {
  const size = Math.abs(value), text = size >= LARGE && size < Infinity ? power(size) : size.toFixed(digits);
  if (size >= LARGE) return `${value < 0 ? "−" : ""}${text}`;
  return `${value < 0 && Number(text) ? "−" : ""}${text}`;
};
const signed = (value) => `<span class="${value < 0 ? "down" : "up"}">${shown(value)}</span>`;
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

const LARGEST = 2 ** 50;

// Integers in units of the last digit. `target`: what they must add up to; by default their own rounded sum.
function balanced(terms, target) {
  const scaled = terms.map((term) => term * 10 ** DIGITS), low = scaled.map(Math.floor);
  if (!scaled.every((value) => Math.abs(value) < LARGEST)) return scaled; // no integers of floating point, nor digits that are shown
  let missing = (target ?? Math.round(scaled.reduce((a, b) => a + b, 0))) - low.reduce((a, b) => a + b, 0);
  const order = scaled.map((value, i) => [value - low[i], i]).sort((a, b) => b[0] - a[0]).map(([, i]) => i);
  for (let n = 0; missing > 0; n += 1, missing -= 1) low[order[n % order.length]] += 1;
  for (let n = 0; missing < 0; n += 1, missing += 1) low[order[order.length - 1 - (n % order.length)]] -= 1;
  return low;
}

// Several terms and their sum, all rounded.
function adding(terms, target) {
  const parts = balanced(terms, target);
  return { parts: parts.map((part) => part / 10 ** DIGITS), whole: parts.reduce((a, b) => a + b, 0) / 10 ** DIGITS };
}

// "row 3, column 5" for a place in a map
const at = (row, column) => `row ${row}, column ${column}`;

// What makes the value `unit`, `row`, `column` of `stage`. `look`: {net, stages, classes, picture, channel}: `channel` is the
// map whose nine numbers are shown. Gives {title, html, spoken}.
function explain(look, stage, unit, row, column) {
  const { net } = look, [, , width] = stage.shape, isMap = stage.shape.length === 3;
  const place = isMap ? (unit * stage.shape[1] + row) * width + column : unit;
  const where = isMap ? `, channel ${unit}, ${at(row, column)}` : stage === look.stages.at(-1) ? `: ${look.classes[unit]}` : `, unit ${unit}`;
  const steps = [];
  let html = "", value = 0;
  for (const name of stage.nodes) {
    const node = look.nodes.get(name);
    if (node.op === "convolution") ({ html, value } = convolution(look, node, unit, row, column));
    else if (node.op === "linear") ({ html, value } = linear(look, stage, node, unit));
    else if (node.op === "max-pooling") ({ html, value } = pooling(look, node, unit, row, column));
    else if (node.op === "addition") ({ html, value } = addition(look, node, place));
    else if (node.op === "average-pooling") ({ html, value } = mean(look, node, unit));
    else if (node.op === "normalisation") {
      const { scale, shift } = net.scaled.get(name), x = net.values.get(node.inputs[0])[place];
      const { parts, whole } = adding([x * scale[unit], shift[unit]]);
      steps.push(`normalised: ${shown(x)} × ${shown(scale[unit])} = ${shown(parts[0])}, plus ${shown(parts[1])} = <b>${shown(whole)}</b>`);
      value = whole;
    } else if (node.op === "relu") steps.push(value > 0 ? `ReLU keeps it: <b>${shown(value)}</b>` : `ReLU cuts it: max(0, ${shown(value)}) = <b>${shown(0)}</b>`);
    if (node.op === "relu") value = Math.max(0, value);
  }
  const next = winsPool(look, stage, place);
  if (next) steps.push(next);
  const name = stage.label === "sum" ? `${stage.name}, sum` : stage.label;
  const title = `${escape(name)}${escape(where)} = ${shown(value)}`;
  const result = steps.length ? `<p class="result">${steps.join(" · ")}</p>` : "";
  return { html: `<h4>${title}</h4>${html}${result}`, spoken: `${name}${where} is ${shown(value)}`, value };
}

function grid(caption, values, size, text = shown) {
  const rows = Array.from({ length: size }, (_, y) => `<tr>${Array.from({ length: size }, (__, x) => `<td>${text(values[y * size + x])}</td>`).join("")}</tr>`);
  return `<table class="grid"><caption>${caption}</caption>${rows.join("")}</table>`;
}

function convolution(look, node, unit, row, column) {
  const { net } = look, a = net.values.get(node.inputs[0]), [channels, height, width] = net.shapes.get(node.inputs[0]);
  const { kernel: k, stride, padding } = node, w = net.tensors.get(`${node.module}.weight`);
  const bias = node.bias ? net.tensors.get(`${node.module}.bias`)[unit] : 0;
  const patch = (c) =>
    Array.from({ length: k * k }, (_, i) => {
      const y = row * stride + Math.floor(i / k) - padding, x = column * stride + (i % k) - padding;
      return y < 0 || y >= height || x < 0 || x >= width ? 0 : a[(c * height + y) * width + x];
    });
  const weights = (c) => Array.from(w.subarray((unit * channels + c) * k * k, (unit * channels + c + 1) * k * k));
  const sums = Array.from({ length: channels }, (_, c) => {
    const kernel = weights(c);
    return patch(c).reduce((sum, value, i) => sum + value * kernel[i], 0);
  });
  const all = node.bias ? [...sums, bias] : sums;
  const { parts, whole } = adding(all);
  const strongest = sums.reduce((best, value, c) => (Math.abs(value) > Math.abs(sums[best]) ? c : best), 0);
  const c = look.channel !== null && look.channel < channels ? look.channel : strongest;
  const kernel = weights(c), numbers = patch(c);
  const products = balanced(numbers.map((value, i) => value * kernel[i]), Math.round(parts[c] * 10 ** DIGITS)).map((n) => n / 10 ** DIGITS);
  const of = channels > 1 ? ` of map ${c}` : " of the picture";
  const tables =
    grid(`${k} × ${k} patch${of}`, numbers, k) + '<span class="sign">×</span>' + grid("kernel", kernel, k) + '<span class="sign">=</span>' + grid("products", products, k, signed);
  const maps =
    channels > 1
      ? `<div class="maps">${parts
          .slice(0, channels)
          .map((sum, n) => `<button type="button" data-channel="${n}" class="${n === c ? "here" : ""}"><span>map ${n}</span>${signed(sum)}</button>`)
          .join("")}</div>`
      : "";
  const words = channels > 1 ? `Sum of ${channels} maps` : "Sum of the products";
  const before = (parts.slice(0, channels).reduce((x, y) => x + Math.round(y * 10 ** DIGITS), 0) / 10 ** DIGITS);
  const added = node.bias ? ` ${parts[channels] < 0 ? "−" : "+"} bias ${shown(Math.abs(parts[channels]))} = <b>${shown(whole)}</b>` : "";
  return { html: `<div class="parts">${tables}${maps}</div><p class="result">${words} <b>${shown(before)}</b>${added}</p>`, value: whole };
}

function linear(look, stage, node, unit) {
  const { net } = look, a = net.values.get(node.inputs[0]), n = a.length;
  const w = net.tensors.get(`${node.module}.weight`).subarray(unit * n, (unit + 1) * n), bias = net.tensors.get(`${node.module}.bias`)[unit];
  const terms = Array.from(a, (value, i) => ({ i, value, weight: w[i], product: value * w[i] }));
  const most = look.narrow ? 6 : 12;
  terms.sort((x, y) => Math.abs(y.product) - Math.abs(x.product));
  const large = terms.slice(0, most), rest = terms.slice(most);
  const sums = [...large.map((term) => term.product), ...(rest.length ? [rest.reduce((sum, term) => sum + term.product, 0)] : []), bias];
  const { parts, whole } = adding(sums);
  const source = look.stages.find((other) => other.name === stage.reads[0]);
  const name = (i) => {
    if (!source) return `pixel ${Math.floor(i / 28)}, ${i % 28}`;
    if (source.shape.length < 3) return `unit ${i}`;
    const [, height, width] = source.shape;
    return `map ${Math.floor(i / (height * width))} at ${Math.floor(i / width) % height}, ${i % width}`;
  };
  const lines = large.map(
    (term, t) =>
      `<button type="button" data-go="${term.i}"><span>${name(term.i)}: ${shown(term.value)} × ${shown(term.weight)}</span>${signed(parts[t])}</button>`,
  );
  if (rest.length) lines.push(`<span class="rest"><span>${rest.length.toLocaleString("en")} others, together</span>${signed(parts[most])}</span>`);
  lines.push(`<span class="rest"><span>bias</span>${signed(parts.at(-1))}</span>`);
  const isLast = stage === look.stages.at(-1);
  const result = `<p class="result">Sum${isLast ? ", the logit" : ""} <b>${shown(whole)}</b></p>`;
  return { html: `<div class="terms">${lines.join("")}</div>${result}${isLast ? soft(look, unit) : ""}`, value: whole };
}

// The softmax with every term: the shares add up to 100.0 %, the powers to their sum.
function soft(look, unit) {
  const logits = Array.from(look.net.logits), top = Math.max(...logits), odds = logits.map((value) => Math.exp(value - top));
  const { parts, whole } = adding(odds), sum = odds.reduce((a, b) => a + b, 0);
  const shares = balanced(odds.map((value) => value / sum), 1000);
  const cells = (list) => list.map((text, i) => `<td class="${i === unit ? "here" : ""}">${text}</td>`).join("");
  const head = look.classes.map((name, i) => `<th scope="col" class="${i === unit ? "here" : ""}">${escape(name)}</th>`).join("");
  return (
    `<details class="soft"${look.soft ? " open" : ""}><summary>Softmax: e<sup>logit − ${shown(top)}</sup> = ${shown(parts[unit])}, divided by ${shown(whole)} = <b>${(shares[unit] / 10).toFixed(1)} %</b></summary>` +
    `<div class="wide"><table class="softmax"><tr><th></th>${head}<th>sum</th></tr><tr><td>logit</td>${cells(logits.map((v) => shown(v)))}<td></td></tr>` +
    `<tr><td>e<sup>logit − ${shown(top)}</sup></td>${cells(parts.map((v) => shown(v)))}<td>${shown(whole)}</td></tr>` +
    `<tr><td>share</td>${cells(shares.map((v) => `${(v / 10).toFixed(1)} %`))}<td>100.0 %</td></tr></table></div></details>`
  );
}

function pooling(look, node, unit, row, column) {
  const a = look.net.values.get(node.inputs[0]), from = look.net.shapes.get(node.inputs[0]), [, height, width] = from;
  const i = (unit * node.shape[1] + row) * node.shape[2] + column, best = winner(a, from, node.shape, i);
  const first = (unit * height + 2 * row) * width + 2 * column, four = [first, first + 1, first + width, first + width + 1];
  const values = four.map((place) => a[place]), ties = values.filter((value) => value === a[best]).length - 1;
  const order = four.indexOf(best), names = ["upper left", "upper right", "lower left", "lower right"];
  const table = grid("2 × 2 window", values.map((v, n) => (n === order ? `<b>${shown(v)}</b>` : shown(v))), 2, (text) => text);
  const tie = ties && a[best] > 0 ? ` ${ties + 1} are equal: the first one passes, as in PyTorch.` : ties ? " All are cut to 0: there is nothing to pass." : "";
  return { html: `<div class="parts">${table}<p class="result">The largest passes: ${names[order]}, <b>${shown(a[best])}</b>.${tie}</p></div>`, value: Number(a[best].toFixed(DIGITS)) };
}

function addition(look, node, place) {
  const [x, y] = node.inputs.map((name) => look.net.values.get(name)[place]), { parts, whole } = adding([x, y]);
  return { html: `<p class="result">The skip connection <b>${shown(parts[0])}</b> and what the convolutions add <b>${shown(parts[1])}</b>: together <b>${shown(whole)}</b></p>`, value: whole };
}

function mean(look, node, unit) {
  const [, height, width] = look.net.shapes.get(node.inputs[0]), area = height * width;
  const sum = look.net.values.get(node.inputs[0]).subarray(unit * area, (unit + 1) * area).reduce((a, b) => a + b, 0);
  return { html: `<p class="result">Sum of the map <b>${shown(sum)}</b>, divided by its ${area} values</p>`, value: Number((sum / area).toFixed(DIGITS)) };
}

// Whether a value gets through the pool that reads it.
function winsPool(look, stage, place) {
  const pool = [...look.nodes.values()].find((node) => node.op === "max-pooling" && node.inputs[0] === stage.nodes.at(-1));
  if (!pool) return "";
  const from = stage.shape, [, height, width] = from, a = look.net.values.get(stage.nodes.at(-1));
  const unit = Math.floor(place / (height * width)), row = Math.floor(place / width) % height, column = place % width;
  const [, rows, columns] = pool.shape;
  if (row >= 2 * rows || column >= 2 * columns) return "the pool leaves out this last row or column";
  const best = winner(a, from, pool.shape, (unit * rows + (row >> 1)) * columns + (column >> 1));
  if (a[place] <= 0) return "0 goes on to the pool";
  return best === place ? "wins its 2 × 2 pool" : `loses its 2 × 2 pool to ${at(Math.floor(best / width) % height, best % width)}`;
}

// The input: what the file holds, what the network sees.
function explainPixel(look, row, column) {
  const raw = look.picture[28 * row + column], value = look.net.values.get("input")[28 * row + column];
  const scaled = raw / 255;
  const made = look.standardise ? `${raw} / 255 = ${shown(scaled)}, minus ${look.standardise[0]}, divided by ${look.standardise[1]} = <b>${shown(value)}</b>` : `${raw} / 255 = <b>${shown(value)}</b>`;
  return {
    html: `<h4>Picture, ${at(row, column)} = ${shown(value)}</h4><p class="result">${made}</p><p class="hint">Outlined in every layer: all that this pixel can reach.</p>`,
    spoken: `Picture, ${at(row, column)} is ${shown(value)}`,
    value,
  };
}
