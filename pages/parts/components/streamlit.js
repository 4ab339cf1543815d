// What our components know of Streamlit beyond its documentation; the server's half is streamlit_inside.py.

// Pages are one step below the app's root, wherever a proxy may have put it.
const base = () => new URL(".", window.location.href);

// To another page, or to this one with another address, without loading the document again: one entry in the history, so
// that Back leads to exactly this view. (st.switch_page makes two, of which the first is this page with the other's address.)
function navigate(href) {
  const to = new URL(href, window.location.href);
  const embedding = [...new URLSearchParams(window.location.search)].filter(([name]) => /^embed(_options)?$/i.test(name));
  for (const [name, value] of embedding) if (!to.searchParams.has(name)) to.searchParams.append(name, value);
  history.replaceState({ ...history.state, scrolled: scroller()?.scrollTop }, "");
  history.pushState(null, "", to);
  window.dispatchEvent(new PopStateEvent("popstate"));
}

// What scrolls; the browser restores only the window's own place.
const scroller = () => document.querySelector('[data-testid="stMain"]');

// After Back: the place at which one of our links was followed from this view, as soon as there is so much of the page, and
// held while the rest of it arrives, until a person moves.
function returnToPlace() {
  const { scrolled, ...rest } = history.state ?? {};
  const main = scroller();
  if (!scrolled || !main) return;
  history.replaceState(rest, "");
  let until = performance.now() + 10_000;
  const moved = new AbortController();
  for (const kind of ["wheel", "touchstart", "pointerdown", "keydown"])
    window.addEventListener(kind, () => moved.abort(), { signal: moved.signal, passive: true });
  const hold = () => {
    if (moved.signal.aborted || performance.now() > until) return moved.abort();
    if (Math.abs(main.scrollTop - scrolled) > 1) main.scrollTop = scrolled;
    else until = Math.min(until, performance.now() + 1_500);
    setTimeout(hold, 50);
  };
  hold();
}

// Whether the browser opens the link itself: in a new tab or window.
const opensElsewhere = (event) => event.ctrlKey || event.metaKey || event.shiftKey;

// A click on one of our links.
function follow(event, link) {
  if (opensElsewhere(event)) return;
  event.preventDefault();
  navigate(link.href);
}

// "r" and "c" are Streamlit's own; Enter and the space bar belong to what has the focus.
function keepFromStreamlit(event) {
  if (["r", "c", "Enter", " "].includes(event.key)) event.stopPropagation();
}

// Whether the script runs; `watch` is told when that changes, until `end`.
class ScriptState {
  constructor(watch) {
    this.app = document.querySelector('[data-testid="stApp"]');
    this.observer = new MutationObserver(watch);
    if (this.app) this.observer.observe(this.app, { attributeFilter: ["data-test-script-state"] });
  }

  get isRunning() {
    return this.app?.dataset.testScriptState === "running";
  }

  end() {
    this.observer.disconnect();
  }
}

// The one object of a component's place on the page: made at the first showing, shown whatever the server sends, ended with
// the place. What it says to `tell` reaches the server as `event`.
const living = new WeakMap();

function live({ data, parentElement, setTriggerValue }, Kind, selector, event = "") {
  let one = living.get(parentElement);
  if (!one) living.set(parentElement, (one = new Kind(parentElement.querySelector(selector))));
  one.tell = (value) => setTriggerValue(event, value);
  one.show(data);
  return () => {
    one.end();
    living.delete(parentElement);
  };
}

// Moments of the time slider while it is dragged, told to whatever computes in the browser: `move(run, step)`. Gives what ends it.
const MOMENT = "fmnist-moment";
const tellMoment = (run, step) => window.dispatchEvent(new CustomEvent(MOMENT, { detail: { run, step } }));

function onMoment(move) {
  const hear = (event) => move(event.detail.run, event.detail.step);
  window.addEventListener(MOMENT, hear);
  return () => window.removeEventListener(MOMENT, hear);
}
