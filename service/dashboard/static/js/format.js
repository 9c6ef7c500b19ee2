// How figures, times and ids read. Pure: the clock is an argument.
const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60]];

export const number = (value) => (value === null || value === undefined ? "–" : new Intl.NumberFormat("en").format(value));

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 0.9995) return `${Math.round(value * 1_000)} ms`;
  if (value < 59.95) return `${value.toFixed(value < 9.995 ? 2 : 1)} s`;
  for (const [name, size] of UNITS) {
    if (value < size) continue;
    const [inner, part] = { d: ["h", 3_600], h: ["min", 60], min: ["s", 1] }[name];
    const rest = Math.floor((value % size) / part);
    return rest ? `${Math.floor(value / size)} ${name} ${rest} ${inner}` : `${Math.floor(value / size)} ${name}`;
  }
  return `${value} s`;
}

export function ago(time, now = Date.now()) {
  if (!time) return "–";
  const past = (now - Date.parse(time)) / 1_000;
  const [word, size] = [...UNITS, ["s", 1]].find(([, unit]) => Math.abs(past) >= unit) ?? ["s", 1];
  const count = Math.floor(Math.abs(past) / size);
  if (count === 0) return "now";
  return past >= 0 ? `${count} ${word} ago` : `in ${count} ${word}`;
}

export const full = (time) => (time ? new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) : "–");
export const rate = (value) => (value === null || value === undefined ? "–" : `${value >= 10 ? Math.round(value) : +value.toFixed(2)}/s`);
export const percent = (share) => (share === null || share === undefined ? "–" : `${+(share * 100).toFixed(1)} %`);
export const size = (bytes) => (bytes < 1_024 ? `${bytes} B` : bytes < 1_048_576 ? `${(bytes / 1_024).toFixed(1)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`);
// UUIDv7: the end differs, the start is the time.
export const short = (id) => (id ? `…${id.slice(-8)}` : "–");
export const plural = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;
