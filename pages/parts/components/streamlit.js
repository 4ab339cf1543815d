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
