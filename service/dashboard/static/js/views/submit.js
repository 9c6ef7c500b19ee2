// A task by form: the fields of its type's schema or plain JSON, and how it shall run. `?from=` fills in another's.
import { get, post } from "../api.js";
import { h, show } from "../dom.js";
import { seconds } from "../format.js";
import { button } from "../parts/button.js";
import { asJson, asNumber, asText, asTime, choice, code, field, figure, place, text } from "../parts/fields.js";
import { toast } from "../parts/notes.js";
import { schemaForm } from "../parts/schema_form.js";
import { card, inside } from "../parts/table.js";
import { go } from "../router.js";
import { may } from "../session.js";

const FIRST_CHOICE = "text_generation";
const MODES = { form: "Form", json: "JSON" };

async function load({ query, signal }) {
  const from = query.get("from");
  const [types, queues, task] = await Promise.all([
    get("/task-types", {}, signal), get("/queues", {}, signal),
    from ? get(`/tasks/${encodeURIComponent(from)}`, {}, signal) : null]);
  return { types: types.data, queues: queues.data, task };
}

function tagsOf({ value }) {
  const tags = value.split(",").map((tag) => tag.trim()).filter(Boolean);
  return tags.length ? tags : undefined;
}

// Those of a workflow or a schedule name what made the task: this one is made by hand.
const ownTags = (task) => (task?.tags ?? []).filter((tag) => !/^(workflow|schedule):/.test(tag));

const asObject = ({ value }) => (value.trim() ? asJson(value, "The metadata") : undefined);
const isFilled = (object) => object && Object.keys(object).length > 0;

// `task` is the one that is run again: what it was given beside its input stands there again, but when it was due.
function options({ queues, task }, type) {
  const names = [["", `as the type says: ${type.queue}`], ...queues.map((queue) => queue.name)];
  const own = (name) => (task?.type === type.name && task[name] !== type[name] ? task[name] : "");
  const kept = isFilled(task?.metadata) ? JSON.stringify(task.metadata, null, 2) : "";
  return {
    "/queue": field("Queue", choice(names, own("queue")), { read: asText }),
    "/priority": field("Priority", figure(task?.priority ?? "", { min: 0, max: 9, step: 1, placeholder: "5" }),
      { read: asNumber, hint: "0 is first, 9 last." }),
    "/delay": field("Delay", figure("", { min: 0, placeholder: "0" }),
      { read: asNumber, hint: "Seconds to wait first." }),
    "/run_at": field("Run at", text("", { type: "datetime-local" }), { read: asTime, hint: "Instead of a delay." }),
    "/expires_at": field("Start by", text("", { type: "datetime-local" }),
      { read: asTime, hint: "Not begun by then, it fails." }),
    "/timeout": field("Time limit", figure(own("timeout"), { min: 0, placeholder: String(type.timeout) }),
      { read: asNumber, hint: `Seconds of one attempt; ${seconds(type.timeout)} by default.` }),
    "/max_attempts": field("Attempts",
      figure(own("max_attempts"), { min: 1, step: 1, placeholder: String(type.max_attempts) }),
      { read: asNumber, hint: "At most." }),
    "/tags": field("Tags", text(ownTags(task).join(", "), { placeholder: "demo, web" }),
      { read: tagsOf, hint: "Separated by commas." }),
    "/callback_url": field("Callback", text("", { type: "url", placeholder: "https://…" }),
      { read: asText, hint: "Is told how the task ended." }),
    "/concurrency_key": field("Concurrency key", text(""), { read: asText, hint: "Tasks of one key take turns." }),
    "/metadata": field("Metadata", code(kept, { rows: 3 }), { read: asObject, hint: "Anything of yours, as JSON." }),
  };
}

function jsonForm(given) {
  const box = code(JSON.stringify(given, null, 2), { rows: 14 });
  const one = field("Input", box, { isRequired: true, read: ({ value }) => asJson(value, "The input") });
  return { node: one.node, fields: { "/input": one }, read: one.read };
}

// `code` in a description becomes an element; all else stays text.
const prose = (words) => h("p", { class: "muted" },
  ...words.split(/`+/).map((piece, at) => (at % 2 ? h("code", {}, piece) : piece)));

// The chosen type's form; what was typed in one mode is there in the other.
class Form {
  mode = "form";

  constructor(data, node) {
    this.data = data;
    this.node = node;
    const names = data.types.map((type) => type.name);
    const first = data.task?.type ?? (names.includes(FIRST_CHOICE) ? FIRST_CHOICE : names[0]);
    this.picker = field("Task type", choice(names, first), { isRequired: true });
    this.picker.input.addEventListener("change", () => this.choose({}));
    this.trouble = h("p", { class: "wrong", role: "alert", hidden: true });
    this.button = h("button", { class: "button primary", type: "submit", disabled: !may("write") }, "Submit the task");
    this.choose(data.task?.input ?? {});
  }

  get type() { return this.data.types.find((type) => type.name === this.picker.read()); }

  choose(given) {
    this.options = options(this.data, this.type);
    this.fill(given);
  }

  fill(given) {
    this.say(null);
    this.input = this.mode === "form" ? schemaForm(this.type.input_schema, given) : jsonForm(given);
    this.draw();
  }

  turn(mode) {
    if (mode === this.mode) return;
    try {
      const given = this.input.read();
      this.mode = mode;
      this.fill(given);
    } catch (error) { this.say(error.message); }
  }

  example() {
    const [first] = this.type.input_schema.examples ?? [{}];
    this.fill(first);
  }

  say(words) {
    this.trouble.textContent = words ?? "";
    this.trouble.hidden = !words;
  }

  async send(event) {
    event.preventDefault();
    this.say(null);
    try {
      const chosen = Object.entries(this.options).map(([at, one]) => [at.slice(1), one.read()]);
      const body = { type: this.type.name, input: this.input.read(), ...Object.fromEntries(chosen) };
      this.button.disabled = true;
      const task = await post("/tasks", body, { once: true });
      toast("The task is accepted.");
      go(`/tasks/${task.id}`);
    } catch (error) {
      this.say("places" in error ? place(error, { ...this.options, ...this.input.fields }) : error.message);
      this.button.disabled = false;
    }
  }

  draw() {
    const { description } = this.type;
    const tab = ([mode, name]) => h("button",
      { type: "button", "aria-pressed": String(this.mode === mode), onclick: () => this.turn(mode) }, name);
    const modes = h("div", { class: "tabs", role: "group", "aria-label": "How to write the input" },
      ...Object.entries(MODES).map(tab));
    const example = button("Fill in an example", () => this.example(), { kind: "quiet" });
    const chosen = Object.values(this.options).map((one) => one.node);
    show(this.node, h("form", { class: "page", novalidate: true, onsubmit: (event) => this.send(event) },
      card("What", inside(h("div", { class: "fields" }, this.picker.node, description && prose(description)))),
      card("Input", inside(this.input.node), example, modes),
      h("details", { class: "card" }, h("summary", {}, "How it shall run"),
        inside(h("div", { class: "fields two" }, ...chosen))),
      h("div", { class: "row" }, this.button, this.trouble)));
  }
}

export default {
  title: "Submit",
  isLive: false,
  load,
  // The form is its own: what is typed is never drawn over.
  draw: ({ data, state, query }) => {
    const from = query.get("from") ?? "";
    const node = h("div", { "data-keep": true, "data-key": `form ${from}` });
    if (state.from !== from) new Form(data, node);
    state.from = from;
    return node;
  },
};
