// A state as a word in its colour; never the colour alone.
import { h } from "../dom.js";

const TONES = {
  SCHEDULED: "violet", PENDING: "grey", WAITING: "grey", PROCESSING: "blue", RETRYING: "amber",
  COMPLETED: "green", FAILED: "red", CANCELLED: "grey",
  running: "blue", completed: "green", failed: "red", retried: "amber", timed_out: "red", cancelled: "grey", released: "violet", lost: "red",
  running_worker: "green", draining: "amber", paused: "amber", delivered: "green", waiting: "amber", gone: "grey", enabled: "green", stopped: "grey",
};

export const STATUSES = ["SCHEDULED", "PENDING", "PROCESSING", "RETRYING", "COMPLETED", "FAILED", "CANCELLED"];
export const FINAL = new Set(["COMPLETED", "FAILED", "CANCELLED"]);
export const tone = (state) => TONES[state] ?? "grey";
export const words = (state) => state.replaceAll("_", " ").toLowerCase().replace(/^./, (letter) => letter.toUpperCase());

export const badge = (state) => h("span", { class: "badge", "data-tone": tone(state), "data-running": state === "PROCESSING" || state === "running" }, h("i", { "aria-hidden": "true" }), words(state));
