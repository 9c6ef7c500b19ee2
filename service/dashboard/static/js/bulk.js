// One action on many tasks: counted first, then asked, then done, and told what was skipped and why.
import { ApiError, get, post, remove } from "./api.js";
import { h } from "./dom.js";
import { number, plural } from "./format.js";
import { FINAL } from "./parts/badge.js";
import { ask } from "./parts/dialog.js";
import { toast } from "./parts/notes.js";
import { has } from "./session.js";

export const ACTIONS = {
  cancel: { name: "Cancel", done: "cancelled", fits: (task) => !FINAL.has(task.status) },
  retry: { name: "Retry", done: "sent back to the queue", fits: (task) => task.status === "FAILED" || task.status === "CANCELLED" },
  delete: { name: "Delete", done: "deleted", fits: (task) => FINAL.has(task.status) },
};
const POLL_MS = 500;
const NAME = "/tasks/bulk";
const isServed = (action) => has(`${NAME}/${action}`);
export const offered = () => Object.keys(ACTIONS).filter((action) => action !== "delete" || isServed("delete"));

// `chosen` are the tasks ticked; `filter`, where given, stands for all that match it.
export async function act(action, chosen, filter) {
  const { name } = ACTIONS[action];
  const what = wanted(chosen, filter);
  const counted = await count(action, chosen, what);
  if (!counted.matched) { toast(`None of these tasks can be ${ACTIONS[action].done}.`, "amber"); return false; }
  const words = `${counted.isMore ? "more than " : ""}${plural(counted.matched, "task")}`;
  const progress = h("p", { class: "muted", role: "status" });
  const answer = await ask({
    title: `${name} ${words}?`, text: skippedText(counted.skipped), body: progress, action: `${name} ${words}`, isDanger: action !== "retry",
    send: () => run(action, chosen, what, (text) => { progress.textContent = text; }),
  });
  if (answer) toast(`${plural(answer.done, "task")} ${ACTIONS[action].done}.${answer.skipped ? ` ${skippedText(answer.skipped)}` : ""}`);
  return Boolean(answer);
}

// An empty filter means every task, and must say so.
const wanted = (chosen, filter) => (!filter ? { ids: chosen.map((task) => task.id) } : Object.keys(filter).length ? { filter: flatTimes(filter) } : { filter: {}, all: true });
const flatTimes = (filter) => Object.fromEntries(Object.entries(filter).map(([name, values]) => [name, name.startsWith("created_") ? values[0] : values]));

const skippedText = (skipped) => {
  const reasons = Object.entries(skipped ?? {}).filter(([, count]) => count > 0);
  return reasons.length ? `Left alone: ${reasons.map(([reason, count]) => `${number(count)} ${reason.replaceAll("_", " ")}`).join(", ")}.` : "";
};

async function count(action, chosen, what) {
  if (isServed(action)) return eligible(await post(`${NAME}/${action}`, { ...what, dry_run: true }));
  const fit = chosen.filter(ACTIONS[action].fits);
  return { matched: fit.length, skipped: { "not in a fitting state": chosen.length - fit.length } };
}

// What a dry run says would happen.
function eligible(answer) {
  const { skipped } = answer;
  const left = Object.values(skipped).reduce((total, one) => total + one, 0) - (skipped.not_found ?? 0);
  return { matched: answer.matched - left, skipped, isMore: answer.is_lower_bound };
}

async function run(action, chosen, what, say) {
  if (!isServed(action)) return oneByOne(action, chosen.filter(ACTIONS[action].fits), say);
  const answer = await post(`${NAME}/${action}`, { ...what, dry_run: false }, { once: true });
  return watch(answer, say);
}

async function watch(operation, say) {
  let seen = operation;
  while (seen.state === "running") {
    say(`${number(seen.done)} of ${seen.total === null ? "many" : number(seen.total)} …`);
    await new Promise((resume) => setTimeout(resume, POLL_MS));
    seen = await get(`/operations/${operation.id}`);
  }
  return { done: seen.done, skipped: seen.skipped };
}

async function oneByOne(action, tasks, say) {
  let done = 0, refused = 0;
  for (const task of tasks) {
    try {
      await (action === "delete" ? remove(`/tasks/${task.id}`) : post(`/tasks/${task.id}/${action}`));
      done += 1;
    } catch (error) {
      // It moved on meanwhile: that state stands.
      if (!(error instanceof ApiError && error.status === 409)) throw error;
      refused += 1;
    }
    say(`${number(done)} of ${number(tasks.length)} …`);
  }
  return { done, skipped: { "moved on meanwhile": refused } };
}
