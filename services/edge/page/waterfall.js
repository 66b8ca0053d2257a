// Where a turn's time went: the queue and the work of each stage, one after the other, in a table with bars.
import { element, write } from "./words.js";

/** `trail` is that of the answer's last sentence; `times` are milliseconds from the question's end: to the `whole` answer, to the `first` sound. */
export function waterfall(trail, { whole, first }) {
  const details = element("details", "where");
  details.open = true;
  details.append(summary(whole, first), table(trail, whole, first), legend(first));
  return details;
}

function summary(whole, first) {
  const line = element("summary");
  if (first !== null) line.append(figure("first_sound", first), " ");
  line.append(figure("whole_answer", whole));
  return line;
}

function figure(word, milliseconds) {
  return write(element("span", "figure"), word, { seconds: Math.round(milliseconds / 10) / 100 });
}

function table(trail, whole, first) {
  const spent = trail.reduce((sum, step) => sum + step.queue_ms + step.service_ms, 0);
  const scale = Math.max(whole, first ?? 0, spent, 1);
  const mark = first === null ? null : first / scale;
  const table = element("table", "waterfall");
  table.setAttribute("aria-live", "off"); // a screen reader reads it when asked
  const caption = write(element("caption", "hidden"), "waterfall");
  const body = element("tbody");
  let at = 0;
  for (const { stage, queue_ms, service_ms } of trail) {
    const bars = [bar("queue", at / scale, queue_ms / scale), bar("work", (at + queue_ms) / scale, service_ms / scale)];
    body.append(row(stage, bars, mark, queue_ms, service_ms));
    at += queue_ms + service_ms;
  }
  body.append(row("edge", [bar("work", at / scale, 1 - at / scale)], mark, null, scale - at));
  table.append(caption, head(), body);
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

function row(stage, bars, mark, queue, work) {
  const row = element("tr", stage);
  const name = element("th");
  name.scope = "row";
  name.append(stage);
  if (["stt", "llm", "tts", "edge"].includes(stage)) name.append(" ", write(element("span", "what"), `stage_${stage}`));
  const lane = element("td", "lane");
  const track = lane.appendChild(element("div", "track"));
  track.append(...bars);
  if (mark !== null) track.append(bar("first", mark, 0));
  row.append(name, lane, milliseconds(queue), milliseconds(work));
  return row;
}

function bar(kind, start, length) {
  const span = element("span", kind);
  span.style.left = `${Math.min(99.5, 100 * start)}%`;
  span.style.width = `${100 * length}%`;
  return span;
}

function milliseconds(value) {
  const cell = element("td", "ms");
  cell.textContent = value === null ? "–" : Math.round(value).toLocaleString(document.documentElement.lang);
  return cell;
}

function legend(first) {
  const line = element("p", "legend");
  for (const kind of ["queue", "work", ...(first === null ? [] : ["first"])]) {
    const key = element("span", "key");
    key.append(element("span", `swatch ${kind}`), " ", write(element("span"), `legend_${kind}`));
    line.append(key, " ");
  }
  return line;
}
