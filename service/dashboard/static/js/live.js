// What keeps pages fresh: the tenant's event feed where there is one, else a calm poll; and the pause of both.
const KINDS = ["submitted", "started", "succeeded", "retried", "failed", "cancelled", "lost", "gap"];
const RETRY_MS = 15_000;
const GATHER_MS = 1_500;

class Live extends EventTarget {
  state = "polling";
  #source = null;
  #address = null;
  #retry = 0;
  #due = null;
  #isPaused = false;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#close() : this.#wake()));
  }

  follow(address) { this.#address = address; }
  start() { if (!this.#isPaused) this.#say("polling"); this.#open(); }

  get isPaused() { return this.#isPaused; }
  // Before anybody has signed in, and after, there is nobody to ask for.
  get mayAsk() { return !this.#isPaused && !document.hidden && this.#address !== null; }

  // Paused means paused: the stream is closed, no page asks, and nothing gathered is shown later.
  toggle() {
    this.#isPaused = !this.#isPaused;
    if (this.#isPaused) {
      this.#close();
      this.#say("paused");
    } else {
      this.#say("polling");
      this.#open();
      this.#tell();
    }
  }

  // What pages learn about their own requests.
  answered(isReachable) {
    if (this.#isPaused) return;
    if (!isReachable) this.#say("offline");
    else if (this.state === "offline") this.#say(this.#source?.readyState === EventSource.OPEN ? "live" : "polling");
  }

  stop() { this.#close(); this.#address = null; }

  #wake() {
    if (this.#isPaused) return;
    this.#open();
    this.#tell();
  }

  #open() {
    if (!this.mayAsk || this.#source) return;
    const source = new EventSource(this.#address);
    this.#source = source;
    source.addEventListener("open", () => this.#say("live"));
    source.addEventListener("error", () => {
      if (source !== this.#source) return;
      if (source.readyState === EventSource.CLOSED) {
        this.#close();
        this.#retry = setTimeout(() => this.#open(), RETRY_MS);
      }
      if (!this.#isPaused && this.state === "live") this.#say("polling");
    });
    for (const kind of KINDS) source.addEventListener(kind, () => this.#gather());
  }

  #close() {
    clearTimeout(this.#retry);
    clearTimeout(this.#due);
    this.#due = null;
    this.#source?.close();
    this.#source = null;
  }

  // A thousand events a second are one fresh look.
  #gather() {
    this.#due ??= setTimeout(() => { this.#due = null; this.#tell(); }, GATHER_MS);
  }

  #tell() { this.dispatchEvent(new Event("changed")); }
  #say(state) { if (state !== this.state) { this.state = state; this.dispatchEvent(new Event("state")); } }
}

export const live = new Live();
