// A state as a word in its colour; never the colour alone.
import { h } from "../dom.js";

const TONES = {
  // of tasks and nodes
  SCHEDULED: "violet", PENDING: "grey", WAITING: "grey", PROCESSING: "blue", RETRYING: "amber",
  COMPLETED: "green", FAILED: "red", CANCELLED: "grey",
  // of attempts
  running: "blue", completed: "green", failed: "red", retried: "amber", timed_out: "red", cancelled: "grey",
  released: "violet", lost: "red",
  // of workers, queues and webhooks
  draining: "amber", paused: "amber", delivered: "green", waiting: "amber", gone: "grey", replaced: "grey",
};

export const STATUSES = ["SCHEDULED", "PENDING", "PROCESSING", "RETRYING", "COMPLETED", "FAILED", "CANCELLED"];
export const FINAL = new Set(["COMPLETED", "FAILED", "CANCELLED"]);
export const tone = (state) => TONES[state] ?? "grey";

const capital = (text) => text.replace(/^./, (letter) => letter.toUpperCase());
export const words = (state) => capital(state.replaceAll("_", " ").toLowerCase());

export function badge(state) {
  const isRunning = state === "PROCESSING" || state === "running";
  const given = { class: "badge", "data-tone": tone(state), "data-running": isRunning };
  return h("span", given, h("i", { "aria-hidden": "true" }), words(state));
}
