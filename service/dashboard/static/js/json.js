// JSON as it came: a number that JavaScript would round keeps its digits, to be shown and sent back as it was.
const isRounded = (value) => typeof value === "number"
  && (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)));

// Browsers of before 2025 tell no source: there it is rounded, as everything there does.
const exact = (_, value, given) =>
  (isRounded(value) && given?.source && JSON.rawJSON ? JSON.rawJSON(given.source) : value);

export const parse = (text) => JSON.parse(text, exact);

// What stands in a number's input may be spelled in ways that JSON does not know, such as .5
export function numberOf(text) {
  try { return parse(text); } catch { return Number(text); }
}
