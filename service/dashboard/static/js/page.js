// Runs one page: loads, draws, keeps it fresh, and shows what goes wrong without throwing away what was there.
import { ApiError } from "./api.js";
import { h, patch, show } from "./dom.js";
import { live } from "./live.js";
import { banner, bones, broken, missing } from "./parts/notes.js";

const AGAIN_MS = 3_000;

export class Page {
  #ended = new AbortController();
  #timer = 0;
  #isAsking = false;
  #isStale = false;
  #isBegun = false;
  #onChange = () => this.refresh();

  constructor(view, place, context) {
    this.view = view;
    this.place = place;
    const verbs = { refresh: () => this.refresh({ isAsked: true }), redraw: () => this.#draw() };
    this.context = { ...context, ...verbs, signal: this.#ended.signal, state: {} };
  }

  async start() {
    show(this.place, bones());
    if (this.view.isLive !== false) live.addEventListener("changed", this.#onChange);
    await this.refresh({ isAsked: true });
  }

  end() {
    this.#ended.abort();
    clearTimeout(this.#timer);
    live.removeEventListener("changed", this.#onChange);
  }

  // By itself only while live; an action of the reader's always.
  async refresh({ isAsked = false } = {}) {
    clearTimeout(this.#timer);
    if (this.#isAsking) { this.#isStale ||= isAsked; return; }
    if (isAsked || live.mayAsk) await this.#load();
    if (this.#isStale) { this.#isStale = false; await this.#load(); }
    if (this.context.error?.isMissing) return;
    const own = typeof this.view.every === "function" ? this.view.every(this.context) : this.view.every;
    const period = this.context.error?.isOutage ? AGAIN_MS : own;
    if (period && !this.#ended.signal.aborted) this.#timer = setTimeout(() => this.refresh(), period);
  }

  async #load() {
    this.#isAsking = true;
    try {
      this.context.data = await this.view.load(this.context);
      this.context.error = null;
      live.answered(true);
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      this.context.error = error;
      if (error.status === 0) live.answered(false);
    } finally {
      this.#isAsking = false;
    }
    this.#draw();
    if (!this.context.error) this.#begin();
  }

  // Once there is something to begin with, however late that is.
  #begin() {
    if (this.#isBegun || this.#ended.signal.aborted) return;
    this.#isBegun = true;
    this.view.started?.(this.context);
  }

  // An answer may come when the reader has turned to another page: that is not drawn over.
  #draw() {
    if (this.#ended.signal.aborted) return;
    const { data, error } = this.context;
    const drawn = h("div", { class: "page" }, ...this.#parts(data, error));
    const old = this.place.firstElementChild;
    if (old?.classList.contains("page")) patch(old, drawn);
    else show(this.place, drawn);
  }

  #parts(data, error) {
    if (!error) return [this.view.draw(this.context)].flat();
    if (data === undefined && error.isMissing) return [missing(this.view.absent, error)];
    if (data === undefined) return [broken(error, this.context.refresh)];
    const words = error.isOutage ? `${error.message} What you see may be old.` : error.message;
    return [banner("red", words), this.view.draw(this.context)].flat();
  }
}
