// Where a turn's time went: the queue and the work of each stage, one after the other, in a table with bars.
import { element, write } from "./words.js";

/** `trail` is that of the answer's last sentence, `whole` the milliseconds from question to end. */
export function waterfall(trail, whole) {
  const spent = trail.reduce((sum, step) => sum + step.queue_ms + step.service_ms, 0);
  const scale = Math.max(whole, spent, 1);
  const table = element("table", "waterfall");
  table.ariaLive = "off"; // a screen reader reads it when asked
  table.append(write(element("caption"), "waterfall", { seconds: (scale / 1000).toFixed(2) }), head());
  const body = element("tbody");
  let at = 0;
  for (const { stage, queue_ms, service_ms } of trail) {
    const bars = [bar("queue", at, queue_ms, scale), bar(stage, at + queue_ms, service_ms, scale)];
    body.append(row(stage, bars, queue_ms, service_ms));
    at += queue_ms + service_ms;
  }
  body.append(row("edge", [bar("edge", at, scale - at, scale)], null, scale - at));
  table.append(body);
  return table;
}

function head() {
  const row = element("tr");
  for (const word of ["stage", "lane", "queue", "work"]) {
    const cell = write(element("th", word === "queue" || word === "work" ? "ms" : ""), word);
    cell.scope = "col";
    row.append(cell);
  }
  const head = element("thead");
  head.append(row);
  return head;
}

function row(stage, bars, queue, work) {
  const row = element("tr");
  const name = element("th");
  name.scope = "row";
  name.textContent = stage;
  const lane = element("td", "lane");
  const track = element("div", "track");
  track.append(...bars);
  lane.append(track);
  row.append(name, lane, milliseconds(queue), milliseconds(work));
  return row;
}

function bar(kind, start, length, scale) {
  const span = element("span", kind);
  span.style.left = `${Math.min(99, (100 * start) / scale)}%`;
  span.style.width = `${(100 * length) / scale}%`;
  return span;
}

function milliseconds(value) {
  const cell = element("td", "ms");
  cell.textContent = value === null ? "–" : `${Math.round(value)} ms`;
  return cell;
}
