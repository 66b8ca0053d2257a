// What the person chooses: voice, language, key; and the name of the conversation, which nobody else can guess.
import { current } from "./words.js";

const KEY = "voicebus.key"; // in sessionStorage: of this tab alone, and gone with it
const GOOD_KEY = /^[A-Za-z0-9._~+-]{16,256}$/;
const LANGUAGES = "en pt es fr de it nl pl cs tr ru hu ar hi zh ja ko".split(" ");
let session = fresh();

/** `changed()` when a wish changes; `bad()` when the key cannot be one. */
export function wishes(fields, changed, bad) {
  const { voice, language, key } = fields;
  key.value = sessionStorage.getItem(KEY) ?? "";
  key.addEventListener("change", () => {
    key.value = key.value.trim();
    const good = !key.value || GOOD_KEY.test(key.value);
    key.setAttribute("aria-invalid", String(!good));
    if (!good) return bad();
    sessionStorage.setItem(KEY, key.value);
    changed();
  });
  voice.addEventListener("change", changed);
  language.addEventListener("change", changed);
  return () => ({
    session,
    voice: voice.value.trim(),
    language: language.value,
    key: GOOD_KEY.test(key.value) ? key.value : "",
  });
}

/** Write the names of the languages, in the language of the page; "" is whatever is heard. */
export function listLanguages(select, any) {
  const chosen = select.value;
  const names = new Intl.DisplayNames([current()], { type: "language" });
  select.replaceChildren(new Option(any, ""), ...LANGUAGES.map((code) => new Option(names.of(code), code)));
  select.value = chosen;
}

/** Another conversation: the model remembers nothing of the one before. */
export function forget() {
  session = fresh();
}

function fresh() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
