// A network's graph (fmnist_core/inside/graph.py) computed in the browser: every value of one picture, and every slope.

const LONG = 30; // milliseconds without a look at what a person does

class Net {
  // `graph`: nodes in the order of computation, [{name, op, inputs, shape, module, kernel, stride, padding, bias}].
  // `tensors`: name -> Float32Array.
  constructor(graph, tensors) {
    Object.assign(this, { graph, tensors, values: new Map(), scaled: new Map() });
    this.shapes = new Map([["input", [1, 28, 28]], ...graph.map((node) => [node.name, node.shape])]);
    for (const node of graph) {
      this.values.set(node.name, new Float32Array(size(node.shape)));
      if (node.op === "normalisation") this.scaled.set(node.name, normalising(tensors, node.module));
    }
  }

  get logits() {
    return this.values.get(this.graph.at(-1).name);
  }

  // all values for the picture `x`, 784 numbers as the network sees them
  forward(x) {
    for (const _ of this.computing(x));
    return this.logits;
  }

  // the same, a step at a time
  *computing(x) {
    this.values.set("input", x);
    for (const node of this.graph) {
      const [a, b] = node.inputs.map((name) => this.values.get(name));
      const y = this.values.get(node.name), from = this.shapes.get(node.inputs[0]);
      if (node.op === "convolution") this.convolve(node, a, from, y);
      else if (node.op === "normalisation") {
        const { scale, shift } = this.scaled.get(node.name), area = y.length / scale.length;
        for (let i = 0; i < y.length; i += 1) y[i] = a[i] * scale[(i / area) | 0] + shift[(i / area) | 0];
      } else if (node.op === "relu") for (let i = 0; i < y.length; i += 1) y[i] = a[i] > 0 ? a[i] : 0;
      else if (node.op === "addition") for (let i = 0; i < y.length; i += 1) y[i] = a[i] + b[i];
      else if (node.op === "max-pooling") for (let i = 0; i < y.length; i += 1) y[i] = a[winner(a, from, node.shape, i)];
      else if (node.op === "average-pooling") {
        const area = from[1] * from[2];
        for (let i = 0; i < y.length; i += 1) y[i] = a.subarray(i * area, (i + 1) * area).reduce((s, v) => s + v, 0) / area;
      } else if (node.op === "flatten") y.set(a);
      else if (node.op === "linear") {
        const w = this.tensors.get(`${node.module}.weight`), bias = this.tensors.get(`${node.module}.bias`), n = a.length;
        for (let k = 0; k < y.length; k += 1) {
          let sum = bias[k];
          for (let i = 0; i < n; i += 1) sum += w[k * n + i] * a[i];
          y[k] = sum;
        }
      }
      yield;
    }
  }

  convolve(node, a, [channels, height, width], y) {
    const { kernel: k, stride: s, padding: p } = node, [outputs, rows, columns] = node.shape;
    const w = this.tensors.get(`${node.module}.weight`), bias = node.bias ? this.tensors.get(`${node.module}.bias`) : null;
    const area = rows * columns;
    for (let o = 0; o < outputs; o += 1) {
      y.fill(bias ? bias[o] : 0, o * area, (o + 1) * area);
      for (let c = 0; c < channels; c += 1)
        for (let dy = 0; dy < k; dy += 1)
          for (let dx = 0; dx < k; dx += 1) {
            const weight = w[((o * channels + c) * k + dy) * k + dx];
            const first = Math.max(0, Math.ceil((p - dx) / s)), last = Math.min(columns - 1, Math.floor((width - 1 + p - dx) / s));
            for (let row = 0; row < rows; row += 1) {
              const from = row * s + dy - p;
              if (from < 0 || from >= height) continue;
              let to = o * area + row * columns + first, at = (c * height + from) * width + first * s + dx - p;
              for (let column = first; column <= last; column += 1, to += 1, at += s) y[to] += weight * a[at];
            }
          }
    }
  }

  // Slopes of the sum of logits times `seed` (10 numbers), for the picture of the last `forward`: {slopes: name -> array,
  // constant}: the sum is the constant plus each pixel times its slope, because all of it is piecewise linear.
  backward(seed) {
    const found = this.deriving(seed);
    for (let step; ; ) if ((step = found.next()).done) return step.value;
  }

  // the same, a step at a time
  *deriving(seed) {
    const slopes = new Map([[this.graph.at(-1).name, Float32Array.from(seed)]]);
    let constant = 0;
    for (const node of [...this.graph].reverse()) {
      const slope = slopes.get(node.name), a = this.values.get(node.inputs[0]), from = this.shapes.get(node.inputs[0]);
      let back = new Float32Array(a.length);
      if (node.op === "convolution") {
        const { kernel: k, stride: s, padding: p } = node, [channels, height, width] = from, [outputs, rows, columns] = node.shape;
        const w = this.tensors.get(`${node.module}.weight`), bias = node.bias ? this.tensors.get(`${node.module}.bias`) : null;
        for (let i = 0; i < slope.length; i += 1) {
          if (slope[i] === 0) continue;
          const o = Math.floor(i / (rows * columns)), row = Math.floor(i / columns) % rows, column = i % columns;
          if (bias) constant += slope[i] * bias[o];
          for (let c = 0; c < channels; c += 1)
            for (let dy = 0; dy < k; dy += 1) {
              const y = row * s + dy - p;
              if (y < 0 || y >= height) continue;
              for (let dx = 0; dx < k; dx += 1) {
                const x = column * s + dx - p;
                if (x >= 0 && x < width) back[(c * height + y) * width + x] += slope[i] * w[((o * channels + c) * k + dy) * k + dx];
              }
            }
        }
      } else if (node.op === "normalisation") {
        const { scale, shift } = this.scaled.get(node.name), area = slope.length / scale.length;
        for (let i = 0; i < slope.length; i += 1) {
          back[i] = slope[i] * scale[(i / area) | 0];
          constant += slope[i] * shift[(i / area) | 0];
        }
      } else if (node.op === "relu") for (let i = 0; i < slope.length; i += 1) back[i] = a[i] > 0 ? slope[i] : 0;
      else if (node.op === "max-pooling") for (let i = 0; i < slope.length; i += 1) back[winner(a, from, node.shape, i)] = slope[i];
      else if (node.op === "average-pooling") {
        const area = from[1] * from[2];
        for (let i = 0; i < a.length; i += 1) back[i] = slope[Math.floor(i / area)] / area;
      } else if (node.op === "linear") {
        const w = this.tensors.get(`${node.module}.weight`), bias = this.tensors.get(`${node.module}.bias`), n = a.length;
        for (let k = 0; k < slope.length; k += 1) {
          if (slope[k] === 0) continue;
          constant += slope[k] * bias[k];
          for (let i = 0; i < n; i += 1) back[i] += slope[k] * w[k * n + i];
        }
      } else back = slope; // addition, flatten: as it is
      for (const name of node.inputs) {
        const known = slopes.get(name);
        slopes.set(name, known ? known.map((value, i) => value + back[i]) : back);
      }
      yield;
    }
    return { slopes, constant };
  }
}

// Takes all steps, and lets the browser answer a person between them where they are long; null where `isWanted` says that
// nobody waits for the result any more, else what the last step gave.
async function unhurried(steps, isWanted, say) {
  for (let began = performance.now(), step; ; ) {
    if ((step = steps.next()).done) return step.value ?? true;
    if (performance.now() - began < LONG) continue;
    say("Computing this picture …");
    await new Promise((done) => setTimeout(done));
    if (!isWanted()) return null;
    began = performance.now();
  }
}

const size = (shape) => shape.reduce((a, b) => a * b, 1);

function normalising(tensors, module) {
  const [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map((name) => tensors.get(`${module}.${name}`));
  const scale = weight.map((value, i) => value / Math.sqrt(variance[i] + 1e-5));
  return { scale, shift: bias.map((value, i) => value - mean[i] * scale[i]) };
}

// where in `a` the largest of the 2 x 2 window of output `i` is, the first of equals, as in torch
function winner(a, [, height, width], [, rows, columns], i) {
  const channel = Math.floor(i / (rows * columns)), row = Math.floor(i / columns) % rows, column = i % columns;
  const first = (channel * height + 2 * row) * width + 2 * column;
  let best = first;
  for (const at of [first + 1, first + width, first + width + 1]) if (a[at] > a[best]) best = at;
  return best;
}

// One line of JSON, {"tensors": [[name, shape], …]}, then their float32 (route.py).
function unpack(buffer) {
  const bytes = new Uint8Array(buffer), line = bytes.indexOf(10) + 1;
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, line)));
  const all = new Float32Array(buffer.slice(line));
  let from = 0;
  head.tensors = new Map(head.tensors.map(([name, shape]) => [name, all.subarray(from, (from += size(shape)))]));
  return head;
}

const softmax = (logits) => {
  const top = Math.max(...logits), odds = Array.from(logits, (value) => Math.exp(value - top));
  const sum = odds.reduce((a, b) => a + b, 0);
  return odds.map((value) => value / sum);
};
