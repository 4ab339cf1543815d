// Which places of a layer belong to which of the next, and where a map stands on the canvas. No state.

const FOLDED = 16; // stages from which on blocks are shown as one
const HEIGHT = 272; // CSS pixels for the maps of a layer, where layers stand side by side

// rows and columns of the window that the first operation of `stage` looks through; null where it sees everything
function fieldOf(nodes, stage, at) {
  const node = nodes.get(stage.nodes[0]);
  if (!at || node.op === "linear" || node.op === "flatten" || node.op === "average-pooling") return [null, null];
  const [top, bottom, left, right] = at, k = node.kernel || 1, s = node.stride, p = node.padding;
  return [
    [top * s - p, bottom * s - p + k - 1],
    [left * s - p, right * s - p + k - 1],
  ];
}

// What a stage is part of: the one whose name its own begins with, as "blocks.3.conv1" is of "blocks.3"; else itself.
const blockOf = (stages, stage) => stages.find((one) => stage.name.startsWith(`${one.name}.`)) ?? stage;

// the stages that are drawn: of a deep network the blocks, and within one of them everything
function unfolded(stages, block) {
  if (stages.length <= FOLDED) return stages;
  return stages.filter((stage) => [stage, block].includes(blockOf(stages, stage)));
}

// the outputs of `node` that see any of the places `from`; null where there is none
function reachedBy(node, [top, bottom, left, right], { height, width }) {
  const k = node.kernel || 1, s = node.stride, p = node.padding;
  const first = (n) => Math.max(0, Math.ceil((n + p - k + 1) / s)), last = (n, count) => Math.min(count - 1, Math.floor((n + p) / s));
  const to = [first(top), last(bottom, height), first(left), last(right, width)];
  return to[0] > to[1] || to[2] > to[3] ? null : to;
}

// how many maps stand beside each other, and how much room they take
function arrange(view, narrow, room) {
  const { cell, width, height, gap, count } = view, [across, down] = [width * cell + gap, height * cell + gap];
  const rows = Math.max(1, Math.floor((HEIGHT + gap) / down));
  view.columns = narrow ? Math.min(count, Math.max(1, Math.floor((room + gap) / across))) : Math.ceil(count / rows);
  view.outer = view.columns * across - gap;
  view.tall = Math.ceil(count / view.columns) * down - gap;
}

const corner = ({ cell, width, height, gap, columns }, n) => [(n % columns) * (width * cell + gap), Math.floor(n / columns) * (height * cell + gap)];
const clamp = (value, count) => Math.min(count - 1, Math.max(0, value));
const range = (count) => Array.from({ length: count }, (_, n) => n);

// What is lit for a value: itself, its windows in the layers that it reads, and what of the picture it can see.
function* behind({ nodes, stages, views, input_stage }, at, row, column) {
  const own = views.find((one) => one.stage === at.stage), isMap = at.stage.shape.length === 3;
  if (own) yield { view: own, units: [at.unit], field: isMap ? [row, row, column, column] : [0, 0, 0, 0], line: 2.5 };
  const fields = new Map([[at.stage.name, isMap ? [row, row, column, column] : null]]);
  for (const stage of [...stages].reverse()) {
    if (!fields.has(stage.name)) continue;
    const [rows, columns] = fieldOf(nodes, stage, fields.get(stage.name));
    for (const name of stage.reads) {
      const before = name === "input" ? input_stage : stages.find((one) => one.name === name), [, height = 1, width = 1] = before.shape;
      const field = rows && [clamp(rows[0], height), clamp(rows[1], height), clamp(columns[0], width), clamp(columns[1], width)];
      const known = fields.get(name);
      fields.set(name, known && field ? around([known, field]) : field);
      const view = views.find((one) => one.stage === before);
      if (!field || !view) continue; // a linear layer sees all of it; a folded block is not drawn
      const byMap = ["max-pooling", "addition", "normalisation"].includes(nodes.get(stage.nodes[0]).op);
      if (stage === at.stage) yield { view, units: byMap ? [at.unit] : range(view.count), field, line: 1.8 };
      else if (view.stage === input_stage) yield { view, units: [0], field, line: 1.2 };
    }
  }
}

// All that a pixel of the picture takes part in.
function* reached({ nodes, stages, views }, row, column) {
  yield { view: views[0], units: [0], field: [row, row, column, column], line: 2.5 };
  const fields = new Map([["input", [row, row, column, column]]]);
  for (const stage of stages) {
    const known = stage.reads.map((name) => fields.get(name)).filter(Boolean);
    const view = views.find((one) => one.stage === stage), [, height = 1, width = 1] = stage.shape;
    if (!known.length || height === 1) continue;
    const field = reachedBy(nodes.get(stage.nodes[0]), around(known), { height, width });
    if (!field) continue;
    fields.set(stage.name, field);
    if (view) yield { view, units: range(view.count), field, line: 1.4 };
  }
}

// the smallest window that holds all of these
const around = (fields) => fields.reduce((a, b) => [Math.min(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.max(a[3], b[3])]);

const same = (a, b) => a === b || Boolean(a && b && a.stage === b.stage && a.unit === b.unit && a.place === b.place);

function brightness(colour) {
  const [r, g, b] = colour.startsWith("#") ? [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)) : (colour.match(/[\d.]+/g) ?? [255, 255, 255]).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b;
}

// What scrolls when a finger moves over the element, within the component or outside of it.
function scrollerOf(element) {
  for (let at = element.parentNode; at; at = at.parentNode ?? at.host) {
    if (at instanceof Element && at.scrollHeight > at.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(at).overflowY)) return at;
  }
  return null;
}

function make(kind, name = "", text = "") {
  const element = document.createElement(kind);
  if (name) element.className = name;
  if (text) element.textContent = text;
  return element;
}
