// What is seen of one turn: the question, the answer as it is said, where its time went, or why there is none.
import { sentence } from "./sentence.js";
import { trouble } from "./troubles.js";
import { waterfall } from "./waterfall.js";
import { element, write } from "./words.js";

/** The view of a `Turn`, at the end of `list`. `failed(error)` is told, too. */
export function bubble(list, failed) {
  const item = element("li", "turn");
  const asked = paragraph("you", "asked");
  const answer = paragraph("it", "answer");
  const note = write(element("p", "note"), "sending");
  item.append(note);
  list.querySelectorAll("details[open]").forEach((earlier) => (earlier.open = false));
  list.append(item);
  let sentences = [];
  const show = follower(list.parentElement, item);
  show(item);
  return {
    heard(text) {
      if (!asked.whole.isConnected) item.prepend(asked.whole);
      if (text) asked.text.textContent = text;
      else write(asked.text, "silence");
      show(item);
    },
    sentence(n, text) {
      if (!answer.whole.isConnected) note.before(answer.whole);
      const next = sentence(text);
      if (sentences[n]) sentences[n].node.replaceWith(next.node);
      else answer.text.append(next.node);
      sentences[n] = next;
    },
    /** `share(n, letters)`: how much of sentence `n` was said. */
    said(share) {
      show(sentences.map((one, n) => one.show(share(n, one.letters))).findLast(Boolean));
    },
    forget(n) {
      sentences.splice(n).forEach((one) => one.node.remove());
    },
    doing(word) {
      if (note.classList.contains("trouble")) return;
      if (!word) note.remove();
      else if (note.dataset.t !== word) write(note, word);
      note.classList.toggle("busy", !["asleep", ""].includes(word));
    },
    interrupted(share) {
      sentences.forEach((one, n) => one.show(share(n, one.letters)));
      if (sentences.filter((one) => one.cut()).length) answer.text.append("…");
      note.className = "note";
      write(note, "interrupted");
      if (answer.whole.isConnected) answer.whole.after(note);
      else item.append(note);
    },
    done(trail, times) {
      if (trail.length) item.append(waterfall(trail, times));
      show(item);
    },
    failed(error) {
      note.className = "note trouble";
      item.append(trouble(note, error));
      show(item);
      failed(error);
    },
  };
}

/** Keeps what comes in sight, until somebody scrolls away. */
function follower(scroller, item) {
  let newest = null;
  let left = false;
  for (const away of ["wheel", "touchmove"])
    scroller.addEventListener(away, () => (left = true), { passive: true, once: true });
  return (node) => {
    if (left || !node || (node === newest && node !== item)) return;
    newest = node;
    const tall = node === item && item.offsetHeight > scroller.clientHeight;
    node.scrollIntoView({ block: tall ? "start" : "nearest" });
  };
}

function paragraph(who, kind) {
  const whole = element("p", kind);
  const text = element("span");
  whole.append(write(element("span", "hidden"), who), " ", text);
  return { whole, text };
}
