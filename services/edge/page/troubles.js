// Every error as a sentence with what to do, in the language of the page.
import { known, write } from "./words.js";

/** Write the sentence for the `{code, message, retry_after}` of an error frame into a node. */
export function trouble(node, { code, message, retry_after }) {
  const seconds = Math.ceil(retry_after ?? 0);
  const names = [seconds ? `${code}+` : "", code, code.split(".")[0]];
  const word = names.find((name) => name && known(`error ${name}`));
  if (word) return write(node, `error ${word}`, { seconds });
  node.textContent = message;
  return node;
}

/** The code for what a browser says of its microphone. */
export function ofMicrophone(problem) {
  if (problem.name === "NotAllowedError") return { code: "microphone_denied" };
  if (problem.name === "NotFoundError") return { code: "microphone_missing" };
  if (problem.name === "SecurityError") return { code: "microphone_insecure" };
  return { code: "microphone_broken" };
}

/** Whether another voice, language or key is what helps. */
export function ofSettings({ code }) {
  return /key|unauthorized|voice|language/.test(code);
}
