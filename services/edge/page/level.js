// How loud it was in the last moments: one bar a moment, the newest at the end.
import { element } from "./words.js";

const BARS = 40;

/** Gives what is to be told each level, 0 to 1, and `null` when nothing listens any more. */
export function levels(meter) {
  const bars = Array.from({ length: BARS }, () => meter.appendChild(element("span")));
  let past = [];
  return (level) => {
    past = level === null ? [] : [...past, level].slice(-BARS);
    meter.setAttribute("aria-valuenow", String(Math.round(100 * (level ?? 0))));
    meter.classList.toggle("on", level !== null);
    bars.forEach((bar, n) => (bar.style.transform = `scaleY(${0.08 + 0.92 * (past[past.length - BARS + n] ?? 0)})`));
  };
}
