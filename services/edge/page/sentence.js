// A sentence whose words appear as they are said. A screen reader has all of it at once.
import { element } from "./words.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");

/** `node` is what is shown; `show(share)` is told how much of it was said and gives the newest word; `cut()` takes the rest away. */
export function sentence(text) {
  const node = element("span", "sentence");
  const words = text.match(/\S+\s*/g) ?? [];
  let letters = 0;
  const parts = words.map((word) => {
    const part = node.appendChild(element("span", "unsaid"));
    part.textContent = word;
    const begins = letters;
    letters += word.length;
    return { part, begins };
  });
  node.append(" ");
  let shown = 0;
  return {
    node,
    letters,
    show(share) {
      const said = still.matches ? letters : share * letters;
      while (shown < parts.length && (share >= 1 || parts[shown].begins < said)) parts[shown++].part.className = "";
      return parts[shown - 1]?.part;
    },
    cut() {
      parts.slice(shown).forEach(({ part }) => part.remove());
      return shown < parts.length;
    },
  };
}
