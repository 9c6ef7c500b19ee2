// Small line drawings, made by code. Always beside a word, so hidden from screen readers.
import { s } from "../dom.js";

const PATHS = {
  overview: "M2 9h4l2-5 3 9 2-4h1",
  tasks: "M2 4h12M2 8h12M2 12h8",
  submit: "M8 3v10M3 8h10",
  queues: "M8 2 14 5 8 8 2 5zM2 8l6 3 6-3M2 11l6 3 6-3",
  workers: "M4 4h8v8H4zM6 1v3M10 1v3M6 12v3M10 12v3M1 6h3M1 10h3M12 6h3M12 10h3",
  schedules: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 5v3l2 2",
  workflows: "M2 8h3M5 5h3v6H5zM8 6.500 11 4M8 9.500l3 2.500M11 2h3v4h-3zM11 10h3v4h-3z",
  webhooks: "M6 10a3 3 0 1 1-1-5M10 6a3 3 0 1 1 1 5M6 10l4-4",
  keys: "M6 10a3 3 0 1 1 0-4l1 1h7v3h-2v-1.500h-2.500V10H7z",
  audit: "M4 2h6l3 3v9H4zM6 7h4M6 10h4",
  menu: "M2 4h12M2 8h12M2 12h12",
  pause: "M5 3v10M11 3v10",
  play: "M4 3l9 5-9 5z",
  theme: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 2v12M11 3v10",
  copy: "M5 5h8v9H5zM3 11V2h8",
  empty: "M2 9l2-6h8l2 6v4H2zM2 9h4l1 2h2l1-2h4",
  warn: "M8 2l6.500 12h-13zM8 6v4M8 12v.5",
  leave: "M6 2H2v12h4M6 8h8M11 5l3 3-3 3",
};
const HIDDEN = { class: "icon", "aria-hidden": "true", focusable: "false" };

export const icon = (name) => s("svg", { ...HIDDEN, viewBox: "0 0 16 16" }, s("path", { d: PATHS[name] }));
