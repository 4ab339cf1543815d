// A question to the server that is asked again and again. One that fails is no news: the server may be busy, the network another
// one, the page on its way out. A person is told once nothing has come for a while, and no longer when it comes again.

const PATIENCE = 10_000; // milliseconds for one answer
const SILENCE = 15_000; // milliseconds without an answer, and two questions, until it is said
const PAUSES = [500, 1000, 2000, 4000, 5000]; // milliseconds until the next question after the first, second, … that failed
const STRANGER = 401;

class Asking {
  // `say(text)`: "" when all is well; `silence`: what is said of no answer.
  constructor(say, silence) {
    Object.assign(this, { say, silence, missed: 0, since: 0, pause: PAUSES.at(-1), ended: false });
  }

  // The answer, from its JSON; null where there is no such thing; undefined where none came: after `pause` milliseconds it is time to ask again.
  async get(address) {
    const asked = performance.now();
    try {
      const answer = await fetch(address, { signal: AbortSignal.timeout(PATIENCE) });
      if (answer.status === STRANGER) return this.miss(asked, "This server does not know you any more: load the page again.");
      if (!answer.ok && answer.status !== 404) throw new Error(`the server answered ${answer.status}`);
      const news = answer.ok ? await answer.json() : null;
      this.missed = 0;
      this.tell("");
      return news;
    } catch {
      const isLong = this.missed > 0 && performance.now() - this.since > SILENCE;
      return this.miss(asked, isLong ? this.silence : null);
    }
  }

  miss(asked, words) {
    if (!this.missed) this.since = asked;
    this.pause = PAUSES[Math.min(this.missed, PAUSES.length - 1)];
    this.missed += 1;
    if (words !== null) this.tell(words);
  }

  tell(text) {
    if (!this.ended) this.say(text);
  }
}
