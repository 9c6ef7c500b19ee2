// A task by form: the fields of its type's schema or plain JSON, and how it shall run. `?from=` fills in another's input.
import { get, post } from "../api.js";
import { h, show } from "../dom.js";
import { seconds } from "../format.js";
import { area, asJson, asNumber, asText, asTime, choice, field, figure, place, text } from "../parts/fields.js";
import { toast } from "../parts/notes.js";
import { schemaForm } from "../parts/schema_form.js";
import { card, inside } from "../parts/table.js";
import { go } from "../router.js";
import { may } from "../session.js";

async function load({ query, signal }) {
  const from = query.get("from");
  const [types, queues, task] = await Promise.all([get("/task-types", {}, signal), get("/queues", {}, signal), from ? get(`/tasks/${encodeURIComponent(from)}`, {}, signal) : null]);
  return { types: types.data, queues: queues.data, task };
}

const tagsOf = ({ value }) => { const tags = value.split(",").map((tag) => tag.trim()).filter(Boolean); return tags.length ? tags : undefined; };

function options({ queues, task }, type) {
  return {
    "/queue": field("Queue", choice([["", `as the type says: ${type.queue}`], ...queues.map((queue) => queue.name)], task && task.queue !== type.queue ? task.queue : ""), { read: asText }),
    "/priority": field("Priority", figure(task?.priority ?? "", { min: 0, max: 9, step: 1, placeholder: "5" }), { read: asNumber, hint: "0 is first, 9 last." }),
    "/delay": field("Delay", figure("", { min: 0, placeholder: "0" }), { read: asNumber, hint: "Seconds to wait first." }),
    "/run_at": field("Run at", text("", { type: "datetime-local" }), { read: asTime, hint: "Instead of a delay." }),
    "/timeout": field("Time limit", figure("", { min: 0, placeholder: String(type.timeout) }), { read: asNumber, hint: `Seconds of one attempt; ${seconds(type.timeout)} by default.` }),
    "/max_attempts": field("Attempts", figure("", { min: 1, step: 1, placeholder: String(type.max_attempts) }), { read: asNumber, hint: "At most." }),
    "/tags": field("Tags", text(task?.tags.join(", ") ?? "", { placeholder: "demo, web" }), { read: tagsOf, hint: "Separated by commas." }),
    "/callback_url": field("Callback", text("", { type: "url", placeholder: "https://…" }), { read: asText, hint: "Is told how the task ended." }),
  };
}

// `code` in a description becomes an element; all else stays text.
const prose = (words) => h("p", { class: "muted" }, ...words.split(/`+/).map((piece, at) => (at % 2 ? h("code", {}, piece) : piece)));

// The chosen type's form; what was typed in one mode is there in the other.
class Form {
  constructor(data, node) {
    this.data = data;
    this.node = node;
    this.mode = "form";
    const first = data.task?.type ?? data.types.find((type) => type.name === "text_generation")?.name ?? data.types[0].name;
    this.picker = field("Task type", choice(data.types.map((type) => type.name), first), { isRequired: true });
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
    const code = field("Input", area(JSON.stringify(given, null, 2), { class: "input code", rows: 14 }), { isRequired: true, read: ({ value }) => asJson(value, "The input") });
    this.input = this.mode === "form" ? schemaForm(this.type.input_schema, given) : { node: code.node, fields: { "/input": code }, read: code.read };
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
    const fields = { ...this.options, ...this.input.fields };
    try {
      const chosen = Object.fromEntries(Object.entries(this.options).map(([at, one]) => [at.slice(1), one.read()]));
      const body = { type: this.type.name, input: this.input.read(), ...chosen };
      this.button.disabled = true;
      const task = await post("/tasks", body, { once: true });
      toast("The task is accepted.");
      go(`/tasks/${task.id}`);
    } catch (error) {
      this.say("places" in error ? place(error, fields) : error.message);
      this.button.disabled = false;
    }
  }

  draw() {
    const { description } = this.type;
    const modes = h("div", { class: "tabs", role: "group", "aria-label": "How to write the input" }, ...[["form", "Form"], ["json", "JSON"]].map(([mode, name]) =>
      h("button", { type: "button", "aria-pressed": String(this.mode === mode), onclick: () => this.turn(mode) }, name)));
    show(this.node, h("form", { class: "page", novalidate: true, onsubmit: (event) => this.send(event) },
      card("What", inside(h("div", { class: "fields" }, this.picker.node, description && prose(description)))),
      card("Input", inside(this.input.node), h("button", { class: "button quiet", type: "button", onclick: () => this.example() }, "Fill in an example"), modes),
      h("details", { class: "card" }, h("summary", {}, "How it shall run"), inside(h("div", { class: "fields two" }, ...Object.values(this.options).map((one) => one.node)))),
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
