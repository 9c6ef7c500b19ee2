// Questions and words in a modal: the browser's own dialog keeps the focus inside and gives it back.
import { h } from "../dom.js";
import { toast } from "./notes.js";

let serial = 0;

// Shows what `fill` makes round the heading, until it is closed; `focus` chooses where the reader begins.
function modal(title, fill, focus) {
  const id = `dialog-title-${++serial}`;
  const box = h("dialog", { "aria-labelledby": id }, fill(h("h2", { id }, title)));
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  focus(box)?.focus();
  return box;
}

// Resolves with what `send` gives once it has been done, or null where the reader leaves. Who leaves while it is being
// done hears of its end all the same.
export function ask({ title, text, body, action, isDanger = false, send }) {
  return new Promise((resolve) => {
    const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
    const submit = h("button", { class: `button primary${isDanger ? " danger" : ""}`, type: "submit" }, action);
    const cancel = h("button", { class: "button", type: "button", onclick: () => box.close() }, "Back");
    let answer = null, isSending = false;
    const leave = () => { if (!isSending) resolve(answer); };
    async function onSubmit(event) {
      event.preventDefault();
      submit.disabled = isSending = true;
      wrong.hidden = true;
      try {
        answer = (await send()) ?? true;
        box.close();
      } catch (error) {
        wrong.textContent = error.message;
        wrong.hidden = false;
        if (!box.open) toast(error.message, "red");
      }
      submit.disabled = isSending = false;
      if (!box.open) leave();
    }
    const fill = (heading) => h("form", { method: "dialog", onsubmit: onSubmit },
      heading, text && h("p", { class: "muted" }, text), body, wrong, h("div", { class: "foot" }, cancel, submit));
    const first = (made) => made.querySelector("input, textarea, select") ?? (isDanger ? cancel : submit);
    const box = modal(title, fill, first);
    box.addEventListener("close", leave);
  });
}

export const confirm = (title, text, action, send) => ask({ title, text, action, isDanger: true, send });

export function tell(title, ...body) {
  const close = h("button", { class: "button primary", type: "submit" }, "Close");
  const fill = (heading) => h("form", { method: "dialog" }, heading, ...body, h("div", { class: "foot" }, close));
  modal(title, fill, () => close);
}
