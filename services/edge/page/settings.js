// What the person chooses: voice, language, key; and the name of the conversation, which nobody else can guess.
import { trouble } from "./troubles.js";
import { current, spoken } from "./words.js";

const KEY = "voicebus.key"; // in sessionStorage: of this tab alone, and gone with it
const GOOD_KEY = /^[A-Za-z0-9._~+-]{16,256}$/;
const ABOUT_MS = 10_000;

export class Settings {
  #on;
  #session = fresh();
  #languages = []; // what is heard and spoken here, as the service says
  #before = "";

  /** `on`: the nodes by their names; `changed()` when a wish changed. */
  constructor(on, changed) {
    this.#on = on;
    this.#ask();
    on.key.value = sessionStorage.getItem(KEY) ?? "";
    this.#before = this.#chosen;
    on["open-settings"].addEventListener("click", () => this.open());
    on.settings.addEventListener("close", () => this.#closed(changed));
    on.settings.addEventListener("click", (event) => event.target === on.settings && this.#leave());
    on.fields.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#leave();
    });
  }

  get wishes() {
    const { voice, language, key } = this.#on;
    return {
      session: this.#session,
      voice: voice.value.trim(),
      language: language.value,
      key: GOOD_KEY.test(key.value) ? key.value : "",
    };
  }

  /** Let the person choose; `error`: what has to be chosen anew. */
  open(error = null) {
    const { settings, problem, key, voice, language } = this.#on;
    problem.textContent = "";
    if (error) trouble(problem, error);
    if (!settings.open) {
      settings.showModal();
      this.#ask();
    }
    if (error) (/voice/.test(error.code) ? voice : /language/.test(error.code) ? language : key).focus();
  }

  /** Another conversation: the model remembers nothing of the one before. */
  forget() {
    this.#session = fresh();
  }

  /** Write the names of the languages, in the language of the page; "" is whatever is heard. */
  translate() {
    const select = this.#on.language;
    const chosen = select.value;
    const names = new Intl.DisplayNames([current()], { type: "language" });
    const named = this.#languages.map((code) => new Option(names.of(code), code));
    named.sort((one, other) => one.text.localeCompare(other.text, current()));
    select.replaceChildren(new Option(spoken("any"), ""), ...named);
    select.value = this.#languages.includes(chosen) ? chosen : "";
  }

  /** Ask which voices and languages there are; what is not known, or cannot be asked for now, changes nothing. */
  async #ask() {
    try {
      const response = await fetch("about", { signal: AbortSignal.timeout(ABOUT_MS), cache: "no-store" });
      const { voices, languages } = await response.json();
      if (voices) this.#on.voices.replaceChildren(...voices.map((name) => new Option("", name)));
      if (languages) this.#languages = languages;
    } catch {
      return; // the socket tells when nobody is there
    }
    this.translate();
  }

  #leave() {
    const { settings, key } = this.#on;
    key.value = key.value.trim();
    const good = !key.value || GOOD_KEY.test(key.value);
    key.setAttribute("aria-invalid", String(!good));
    if (good) settings.close();
    else this.open({ code: "bad_key" });
  }

  #closed(changed) {
    sessionStorage.setItem(KEY, this.wishes.key);
    if (this.#chosen === this.#before) return;
    this.#before = this.#chosen;
    changed();
  }

  get #chosen() {
    const { voice, language, key } = this.wishes;
    return [voice, language, key].join("\n");
  }
}

function fresh() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
