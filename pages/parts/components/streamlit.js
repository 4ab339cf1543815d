// What our components know of Streamlit beyond its documentation; the server's half is streamlit_inside.py.

// Pages are one step below the app's root, wherever a proxy may have put it.
const base = () => new URL(".", window.location.href);

// To another page, or to this one with another address, without loading the document again: one entry in the history, so
// that Back leads to exactly this view. (st.switch_page makes two, of which the first is this page with the other's address.)
function navigate(href) {
  const to = new URL(href, window.location.href);
  const embedding = [...new URLSearchParams(window.location.search)].filter(([name]) => /^embed(_options)?$/i.test(name));
  for (const [name, value] of embedding) if (!to.searchParams.has(name)) to.searchParams.append(name, value);
  history.pushState(null, "", to);
  window.dispatchEvent(new PopStateEvent("popstate"));
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
