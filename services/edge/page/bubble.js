// What is seen of one turn: the question, the answer as it comes, where its time went, or why there is none.
import { element, write } from "./words.js";
import { trouble } from "./troubles.js";
import { waterfall } from "./waterfall.js";

/** The view of a `Turn`, at the end of `list`. `failed(error)` is told, too. */
export function bubble(list, failed) {
  const item = element("li");
  const said = paragraph("you", "asked");
  const answer = paragraph("it", "answer");
  const note = write(element("p", "note"), "sent");
  item.append(said.whole, note);
  list.append(item);
  const sentences = [];
  const show = () => item.scrollIntoView({ block: "nearest" });
  return {
    heard(text) {
      if (text) said.text.textContent = text;
      else write(said.text, "silence");
      if (text) write(note, "thinking");
    },
    sentence(n, text) {
      if (!answer.whole.isConnected) said.whole.after(answer.whole);
      sentences[n] ??= answer.text.appendChild(element("span"));
      sentences[n].textContent = `${text} `;
      write(note, "speaking");
      show();
    },
    forget(n) {
      sentences.splice(n).forEach((sentence) => sentence.remove());
    },
    interrupted() {
      write(note, "interrupted");
    },
    done(frame, milliseconds) {
      if (frame.cancelled) return write(note, "interrupted");
      note.remove();
      if (frame.trail?.length) item.append(waterfall(frame.trail, milliseconds));
      show();
    },
    failed(error) {
      note.className = "trouble";
      trouble(note, error);
      show();
      failed(error);
    },
  };
}

function paragraph(who, kind) {
  const whole = element("p", kind);
  const text = element("span");
  whole.append(write(element("span", "who"), who), text);
  return { whole, text };
}
