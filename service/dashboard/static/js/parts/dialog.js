// Questions in a modal: the browser's own dialog keeps the focus inside and gives it back.
import { h } from "../dom.js";

// Resolves with what `read` gives once `send` has taken it, or null where the reader leaves.
export function ask({ title, text, body, action, isDanger = false, send }) {
  return new Promise((resolve) => {
    const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
    const submit = h("button", { class: `button primary${isDanger ? " danger" : ""}`, type: "submit" }, action);
    const cancel = h("button", { class: "button", type: "button", onclick: () => box.close() }, "Back");
    const form = h("form", { method: "dialog", onsubmit: onSubmit },
      h("h2", { id: "dialog-title" }, title), text && h("p", { class: "muted" }, text), body, wrong, h("div", { class: "foot" }, cancel, submit));
    const box = h("dialog", { "aria-labelledby": "dialog-title" }, form);
    let answer = null;
    async function onSubmit(event) {
      event.preventDefault();
      submit.disabled = true;
      wrong.hidden = true;
      try {
        answer = (await send(wrong)) ?? true;
        box.close();
      } catch (error) {
        wrong.textContent = error.message;
        wrong.hidden = false;
        submit.disabled = false;
      }
    }
    box.addEventListener("close", () => { box.remove(); resolve(answer); });
    document.body.append(box);
    box.showModal();
    (form.querySelector("input, textarea, select") ?? (isDanger ? cancel : submit)).focus();
  });
}

export const confirm = (title, text, action, send) => ask({ title, text, action, isDanger: true, send });
