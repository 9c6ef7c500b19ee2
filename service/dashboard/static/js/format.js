// How figures, times and ids read. Pure: the clock is an argument.
const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60]];
const FULL = { dateStyle: "medium", timeStyle: "long" }; // long: with its time zone
const NUMBERS = new Intl.NumberFormat("en");
const KIB = 1_024, MIB = 1_048_576;

// "–" where there is no value.
const known = (value, write) => (value === null || value === undefined ? "–" : write(value));

export const number = (value) => known(value, (some) => NUMBERS.format(some));

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

export const full = (time) => known(time, () => new Date(time).toLocaleString(undefined, FULL));
export const rate = (value) => known(value, () => `${value >= 10 ? number(Math.round(value)) : +value.toFixed(2)}/s`);
export const percent = (share) => known(share, () => `${+(share * 100).toFixed(1)} %`);

export function size(bytes) {
  if (bytes < KIB) return `${bytes} B`;
  return bytes < MIB ? `${(bytes / KIB).toFixed(1)} KiB` : `${(bytes / MIB).toFixed(1)} MiB`;
}

// UUIDv7: the end differs, the start is the time.
export const short = (id) => (id ? `…${id.slice(-8)}` : "–");
export const plural = (count, word) => `${number(count)} ${word}${count === 1 ? "" : "s"}`;
