// Charts as SVG built by code. Each says in words what it shows, for those who cannot see it.
import { s } from "../dom.js";
import { seconds } from "../format.js";
import { tone } from "./badge.js";

const W = 640, H = 190, LEFT = 66, BOTTOM = 24, TOP = 10, RIGHT = 8;
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const DAY_MS = 86_400_000, DATE = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
// With its date where the axis is longer than a day.
const clock = (at, span) => new Date(at).toLocaleString(undefined, span < DAY_MS ? CLOCK : DATE);
const figure = (value) => +value.toFixed(2);

function nice(top) {
  const size = 10 ** Math.floor(Math.log10(top || 1));
  return [1, 2, 5, 10].map((step) => step * size).find((step) => step >= top) ?? 1;
}

// `marks`: [{y, text}], a line across for each.
function frame(title, marks, from, to, role = "img") {
  const lines = marks.flatMap(({ y, text }) => [
    s("line", { class: "grid", x1: LEFT, x2: W - RIGHT, y1: y, y2: y }),
    s("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, text)]);
  return s("svg", { class: "chart", viewBox: `0 0 ${W} ${H}`, role, "aria-label": title }, ...lines,
    s("text", { x: LEFT, y: H - 5 }, clock(from, to - from)),
    s("text", { x: W - RIGHT, y: H - 5, "text-anchor": "end" }, clock(to, to - from)));
}

// points: [{at, value}] in order of time.
export function curve(points, unit, title) {
  const from = points[0].at, last = points.at(-1), to = Math.max(last.at, from + 1_000);
  const highest = Math.max(...points.map((point) => point.value)), top = nice(Math.max(highest, .5));
  const x = (at) => LEFT + ((at - from) / (to - from)) * (W - LEFT - RIGHT);
  const y = (value) => H - BOTTOM - (value / top) * (H - BOTTOM - TOP);
  const marks = [0, top / 2, top].map((value) => ({ y: y(value), text: `${figure(value)}${unit}` }));
  const path = points.map(({ at, value }, place) => `${place ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`);
  const words = `${title}: now ${figure(last.value)}${unit}, at most ${figure(highest)}${unit}`;
  const chart = frame(words, marks, from, to);
  const base = `L${x(last.at).toFixed(1)} ${y(0)}L${x(from)} ${y(0)}Z`;
  chart.append(s("path", { class: "area", d: path.join("") + base }), s("path", { class: "curve", d: path.join("") }));
  return chart;
}

// A dot a finished task: when it ended, how long it took; logarithmic, since both tell most at their small end.
export function dots(tasks, hrefOf, title) {
  const times = tasks.map((task) => Date.parse(task.finished_at));
  const from = Math.min(...times), to = Math.max(...times, from + 1_000);
  const low = .001, high = Math.max(1, ...tasks.map((task) => task.duration ?? 0));
  const span = Math.log10(high / low);
  const x = (at) => LEFT + ((at - from) / (to - from)) * (W - LEFT - RIGHT - 6);
  const y = (value) => H - BOTTOM - (Math.log10(Math.max(value, low) / low) / span) * (H - BOTTOM - TOP);
  const steps = [.001, .01, .1, 1, 10, 100, 1_000].filter((step) => step <= high);
  const chart = frame(title, steps.map((step) => ({ y: y(step), text: seconds(step) })), from, to, "figure");
  const dot = (task, at) => s("a", { href: hrefOf(task), tabindex: "-1", "aria-hidden": "true" },
    s("circle", { class: "dot", "data-tone": tone(task.status), r: 4,
      cx: x(times[at]).toFixed(1), cy: y(task.duration ?? 0).toFixed(1) },
    s("title", {}, `${task.type} ${task.status.toLowerCase()} after ${seconds(task.duration)}`)));
  chart.append(...tasks.map(dot));
  return chart;
}

export function quantile(values, share) {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}
