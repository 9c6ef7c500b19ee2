// Reads one task's event stream: its state as it changes, and its output piece by piece.
import { h, patch } from "../dom.js";
import { parse } from "../json.js";
import { live } from "../live.js";
import { copyButton } from "./code.js";

const MOST_CHARACTERS = 200_000;

export class Stream {
  #source = null;
  #text = "";
  #isOver = false;
  #isDue = false;

  constructor(address, context) {
    this.address = address;
    this.context = context;
    context.signal.addEventListener("abort", () => this.close());
    live.addEventListener("state", () => (live.isPaused ? this.close() : this.open()), { signal: context.signal });
    // A hidden tab holds no connection: a browser has six for all its tabs.
    const turn = () => (document.hidden ? this.close() : this.open());
    document.addEventListener("visibilitychange", turn, { signal: context.signal });
  }

  get isOpen() { return this.#source?.readyState === EventSource.OPEN; }

  open() {
    if (this.#source || this.#isOver || !live.mayAsk || this.context.signal.aborted) return;
    const source = this.#source = new EventSource(this.address);
    // A fresh connection replays what is kept.
    this.#text = "";
    source.addEventListener("status", (event) => this.#status(JSON.parse(event.data)));
    source.addEventListener("progress", (event) => this.#progress(JSON.parse(event.data)));
    source.addEventListener("output", (event) => this.#add(parse(event.data).delta));
    source.addEventListener("end", () => { this.#isOver = true; this.close(); this.context.refresh(); });
    source.addEventListener("error", () => { if (source.readyState === EventSource.CLOSED) this.close(); });
  }

  // For a task that was sent back to the queue.
  restart() {
    this.#isOver = false;
    this.open();
  }

  close() {
    this.#source?.close();
    this.#source = null;
  }

  // Only while there is something the result does not show yet.
  card() {
    const isFinal = this.context.data?.task.finished_at;
    if (!this.#text || (isFinal && this.context.data.task.status === "COMPLETED")) return null;
    const named = { role: "log", tabindex: "0", "aria-label": "Output so far" };
    return h("section", { class: "card", "data-key": "stream" },
      h("header", {}, h("h2", {}, "Output"), copyButton(this.#text, "the output")),
      h("pre", { class: "stream", "data-live": !isFinal, dir: "auto", ...named }, this.#text));
  }

  #status(told) {
    if (told.attempt !== this.attempt) { this.attempt = told.attempt; this.#text = ""; }
    this.context.refresh();
  }

  #progress(told) {
    const { data } = this.context;
    if (!data) return;
    data.task.progress = told;
    this.context.redraw();
  }

  #add(delta) {
    this.#text = (this.#text + (typeof delta === "string" ? delta : JSON.stringify(delta))).slice(-MOST_CHARACTERS);
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => { this.#isDue = false; this.#draw(); });
  }

  // Follows the end, unless the reader scrolled up.
  #draw() {
    if (this.context.signal.aborted || !this.context.data) return;
    const before = document.querySelector(".stream[data-live]");
    const isAtEnd = !before || before.scrollHeight - before.scrollTop - before.clientHeight < 40;
    // The card alone, where it stands already: a long input beside it need not be drawn with every word.
    const old = document.querySelector('[data-key="stream"]'), card = this.card();
    if (old && card) patch(old, card); else this.context.redraw();
    const box = document.querySelector(".stream[data-live]");
    if (box && isAtEnd) box.scrollTop = box.scrollHeight;
  }
}
