// One action on many tasks: counted first, then asked, then done, and told what was skipped and why.
import { get, post } from "./api.js";
import { h } from "./dom.js";
import { number, plural } from "./format.js";
import { ask } from "./parts/dialog.js";
import { toast } from "./parts/notes.js";

export const ACTIONS = {
  cancel: { name: "Cancel", done: "cancelled" },
  retry: { name: "Retry", done: "sent back to the queue" },
  delete: { name: "Delete", done: "deleted" },
};
const POLL_MS = 500;
const at = (action) => `/tasks/bulk/${action}`;

// `chosen` are the tasks ticked; `filter`, where given, stands for all that match it. Resolves to whether it was done.
export async function act(action, chosen, filter) {
  const { name, done } = ACTIONS[action], what = wanted(chosen, filter);
  const counted = eligible(await post(at(action), { ...what, dry_run: true }));
  if (!counted.matched) { toast(`None of these tasks can be ${done}.`, "amber"); return false; }
  const words = `${name} ${counted.isMore ? "more than " : ""}${plural(counted.matched, "task")}`;
  const body = h("p", { class: "muted", role: "status" });
  const send = async () => {
    const begun = await post(at(action), { ...what, dry_run: false }, { once: true });
    return watch(begun, (text) => { body.textContent = text; });
  };
  const asked = { title: `${words}?`, text: skippedText(counted.skipped), body, action: words };
  const answer = await ask({ ...asked, isDanger: action !== "retry", send });
  if (answer) toast(`${plural(answer.done, "task")} ${done}. ${skippedText(answer.skipped)}`.trim());
  return Boolean(answer);
}

// An empty filter means every task, and must say so.
function wanted(chosen, filter) {
  if (!filter) return { ids: chosen.map((task) => task.id) };
  return Object.keys(filter).length ? { filter: flatTimes(filter) } : { filter: {}, all: true };
}

const flatTimes = (filter) => Object.fromEntries(
  Object.entries(filter).map(([name, values]) => [name, name.startsWith("created_") ? values[0] : values]));

function skippedText(skipped) {
  const reasons = Object.entries(skipped ?? {}).filter(([, count]) => count > 0)
    .map(([reason, count]) => `${number(count)} ${reason.replaceAll("_", " ")}`);
  return reasons.length ? `Left alone: ${reasons.join(", ")}.` : "";
}

// What a dry run says would happen.
function eligible({ matched, skipped, is_lower_bound: isMore }) {
  const left = Object.values(skipped).reduce((total, one) => total + one, 0) - (skipped.not_found ?? 0);
  return { matched: matched - left, skipped, isMore };
}

async function watch(operation, say) {
  let seen = operation;
  while (seen.state === "running") {
    say(`${number(seen.done)} of ${seen.total === null ? "many" : number(seen.total)} …`);
    await new Promise((resume) => setTimeout(resume, POLL_MS));
    seen = await get(`/operations/${operation.id}`);
  }
  return seen;
}
