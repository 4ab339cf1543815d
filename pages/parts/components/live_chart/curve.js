// What is known of one run: every loss, every measurement, every change of a setting. Nothing is thinned out here.

const TUTORIAL = 1000; // the tutorial prints the average of every 1,000 batches

class Curve {
  constructor(facts) {
    Object.assign(this, facts, { first: Infinity, count: 0, measured: [], changes: [] });
    this.losses = new Float32Array(4096).fill(NaN);
    this.times = new Float32Array(4096).fill(NaN);
    this.told = 0; // seconds of training at the last loss
  }

  take(event) {
    if (event.event === "Losses") this.takeLosses(event);
    else if (event.event === "Measured" && !this.measured.some((known) => known.step === event.step)) {
      if (!this.measured.length) this.told = Math.max(this.told, event.seconds); // a branch goes on from its parent's time
      this.measured.push(event);
    }
    else if (event.event === "Changed" && !this.changes.some((known) => known.step === event.step)) this.changes.push(event);
  }

  takeLosses({ step, losses, seconds }) {
    const end = step + losses.length;
    if (end > this.losses.length) {
      for (const name of ["losses", "times"]) {
        const larger = new Float32Array(Math.max(2 * this[name].length, end)).fill(NaN);
        larger.set(this[name]);
        this[name] = larger;
      }
    }
    this.losses.set(losses, step); // by step: hearing it twice changes nothing
    const before = step && Number.isFinite(this.times[step - 1]) ? this.times[step - 1] : Math.min(this.told, seconds);
    const until = Math.max(seconds, before); // a record from before 2026-11-28 goes back after a recovery
    losses.forEach((_, i) => (this.times[step + i] = before + ((until - before) * (i + 1)) / losses.length));
    this.told = seconds;
    this.first = Math.min(this.first, step);
    this.count = Math.max(this.count, end);
  }

  // Where the state after `step` updates stands on an axis; a time is known once it was told.
  at(step, axis) {
    if (axis === "step") return step;
    const epochs = Math.floor(step / this.stepsPerEpoch), rest = step % this.stepsPerEpoch;
    if (axis === "images") return epochs * this.imagesPerEpoch + Math.min(rest * this.batchSize, this.imagesPerEpoch);
    if (axis === "time") return step ? this.times[step - 1] : 0;
    return step / this.stepsPerEpoch;
  }

  // What the network is judged by: the test images, or the held-out ones as long as a sweep is open.
  get judge() {
    return this.split === "test" ? "test images" : "held-out images";
  }

  // Every loss as it was.
  raw(axis) {
    const from = Math.min(this.first, this.count), length = this.count - from;
    const x = new Float64Array(length);
    for (let i = 0; i < length; i += 1) x[i] = this.at(from + i + 1, axis);
    return { x, y: this.losses.subarray(from, this.count) };
  }

  // The mean of each window of batches; windows do not reach over the end of an epoch, as in the tutorial.
  averages(window, axis) {
    const { stepsPerEpoch, count } = this;
    const x = [], y = [], text = [];
    const start = Number.isFinite(this.first) ? this.first : 0;
    for (let epochStart = start - (start % stepsPerEpoch); epochStart < count; epochStart += stepsPerEpoch) {
      const epochEnd = epochStart + stepsPerEpoch;
      for (let from = epochStart; from < epochEnd; from += window) {
        const to = Math.min(from + window, epochEnd);
        if (to > count) break;
        if (from < start) continue; // a branch that begins within this window
        if (window === TUTORIAL && to - from < TUTORIAL) break; // the tutorial prints full windows only
        let sum = 0;
        for (let step = from; step < to; step += 1) sum += this.losses[step];
        x.push(this.at(to, axis));
        y.push(sum / (to - from));
        text.push(`mean of batches ${(from + 1).toLocaleString("en")} to ${to.toLocaleString("en")}`);
      }
    }
    return { x, y, text };
  }

  // One line for each step, with the measurements where there are some.
  csv() {
    const safe = /^[=+\-@＝＋－＠\t\r]/.test(this.name) ? `\u2060${this.name}` : this.name; // no formula: runs/text.py
    const name = `"${safe.replaceAll('"', '""')}"`;
    const figures = new Map(this.measured.map((m) => [m.step, m]));
    const lines = [];
    const start = Math.min(this.first, this.count, ...figures.keys());
    for (let step = start; step <= this.count; step += 1) {
      const loss = step > this.first ? this.losses[step - 1] : NaN;
      const measured = figures.get(step);
      if (!Number.isFinite(loss) && !measured) continue;
      const shown = ["test", "validation", "train"].flatMap((split) => {
        const score = split === "test" && this.split !== "test" ? null : measured?.[split];
        return score ? [score.loss, accuracy(score)] : ["", ""];
      });
      const seconds = this.at(step, "time");
      lines.push(
        [name, step, this.at(step, "epoch"), this.at(step, "images"), Number.isFinite(seconds) ? seconds : "",
          Number.isFinite(loss) ? loss : "", ...shown].join(","),
      );
    }
    return lines;
  }
}

const CSV_HEAD = "run,step,epoch,images,seconds,loss,test_loss,test_accuracy,validation_loss,validation_accuracy,train_loss,train_accuracy";
const sum = (counts) => counts.reduce((a, b) => a + b, 0);
const accuracy = (score) => sum(score.correct) / sum(score.total);
