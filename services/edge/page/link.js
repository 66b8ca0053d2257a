// The socket: it opens before there is something to ask, and comes back, to its turn too, when it breaks.
const PAUSES_MS = [250, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000];
const OPEN_MS = 10_000;
const SILENCE_MS = 20_000; // after so long without a frame the link may be dead without knowing it
const SLOWEST_BYTES_PER_MS = 8; // of a link that still carries a question: 64 kbit/s
const LEFT = 4000; // not 1000, which would cancel the turn
const FATAL = /^refused\./;

export class Link {
  #socket = null;
  #turns = []; // asked and not ended, in order: what comes belongs to the first
  #tries = 0;
  #silences = 0; // of this turn: each is waited for twice as long as the one before
  #timer = 0;
  #stale = false;

  /** `wishes()` gives session, voice, language and key; `told(state)` hears `lost`, `away`, `back` and `open`, `refused(error)` why no socket opens. */
  constructor(wishes, told, refused) {
    this.wishes = wishes;
    this.told = told;
    this.refused = refused;
  }

  get isBusy() {
    return this.#turns.length > 0;
  }

  /** Open it before it is needed, while somebody still speaks. */
  warm() {
    if (this.#stale) this.#leave(1000);
    this.#stale = false;
    if (!this.#socket && !this.isBusy) this.#open();
  }

  ask(turn) {
    this.warm();
    this.#turns.push(turn);
    if (this.#isOpen) this.#send(turn);
    else if (!this.#socket) this.#open();
  }

  /** End what runs; `sentences` of it were heard. */
  cancel(sentences) {
    this.#turns.forEach((turn) => turn.cancel());
    if (this.#isOpen) this.#socket.send(JSON.stringify({ cancel: true, sentences }));
  }

  /** The wishes have changed: the next question goes out with the new ones. */
  renew() {
    this.#stale = true;
  }

  get #isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #open() {
    this.#turns = this.#turns.filter((turn) => !turn.cancelled);
    const turn = this.#turns.at(-1);
    const { address, protocols } = this.#address(turn?.name);
    const socket = new WebSocket(address, protocols);
    socket.binaryType = "arraybuffer";
    let opened = false;
    socket.onopen = () => {
      opened = true;
      if (this.#socket === socket) this.#opened(turn);
    };
    socket.onmessage = ({ data }) => this.#socket === socket && this.#message(data);
    socket.onclose = () => this.#socket === socket && this.#closed(opened);
    this.#socket = socket;
    this.#watch(OPEN_MS);
  }

  #opened(resumed) {
    this.told(this.#tries ? "back" : "open");
    this.#tries = 0;
    this.#expect();
    if (resumed?.name) resumed.again();
    this.#turns.filter((turn) => !turn.name).forEach((turn) => this.#send(turn));
  }

  #send(turn) {
    this.#socket.send(turn.question);
    this.#expect(turn.question.byteLength);
  }

  #message(data) {
    this.#expect();
    const turn = this.#turns[0];
    if (!turn) return;
    if (typeof data !== "string") return turn.sound(data);
    if (!turn.frame(JSON.parse(data))) return;
    this.#turns.shift();
    this.#silences = 0;
  }

  /** The next frame comes soon, or after `bytes` have left. */
  #expect(bytes = 0) {
    this.#watch((SILENCE_MS + bytes / SLOWEST_BYTES_PER_MS) * 2 ** this.#silences);
  }

  /** Look after a socket that says nothing for `milliseconds` while an answer is waited for. */
  #watch(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#silent(), milliseconds);
  }

  /** A long line and a slow link are silent, too: the first time the edge is asked whether it is there at all. */
  async #silent() {
    const socket = this.#socket;
    const opened = this.#isOpen;
    if (!this.isBusy && opened) return;
    if (opened && this.#silences++ === 0 && (await this.#reaches())) return this.#socket === socket && this.#expect();
    if (this.#socket !== socket) return;
    this.#leave(LEFT);
    this.#closed(opened);
  }

  async #reaches() {
    try {
      await fetch("healthz", { signal: AbortSignal.timeout(OPEN_MS), cache: "no-store" });
      return true;
    } catch {
      return false;
    }
  }

  #leave(code) {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(code);
    if (code === 1000) this.#turns = [];
  }

  async #closed(opened) {
    clearTimeout(this.#timer);
    this.#socket = null;
    this.#turns = this.#turns.filter((turn) => !turn.cancelled);
    if (opened || this.#tries || this.isBusy) this.told(this.isBusy ? "lost" : "away");
    const error = opened ? null : await this.#refusal();
    if (this.#socket) return; // somebody asked meanwhile
    const fatal = error && (FATAL.test(error.code) || error.code === "busy");
    const pause = PAUSES_MS[this.#tries++];
    if (fatal) this.#fail(error);
    else if (pause === undefined) this.#fail({ code: "unreachable" });
    else setTimeout(() => this.#socket || this.#open(), pause);
  }

  #fail(error) {
    this.#tries = 0;
    if (!this.isBusy) return this.refused(error);
    this.told("");
    this.#turns.splice(0).forEach((turn) => turn.frame({ error }));
  }

  /** Why the edge takes no socket: a browser tells no page, so the same address is asked once more, as a page. */
  async #refusal() {
    const { key } = this.wishes();
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    try {
      const signal = AbortSignal.timeout(OPEN_MS);
      const response = await fetch(this.#address("").address.href.replace(/^ws/, "http"), { headers, signal });
      return (await response.json()).error ?? null;
    } catch {
      return null; // nobody is there, or it would take a socket now
    }
  }

  #address(turn) {
    const { session, voice, language, key } = this.wishes();
    const address = new URL("ws", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const query = { stream: 1, turns: 1, trace: 1, session, voice, language, resume: turn };
    for (const [name, value] of Object.entries(query)) if (value) address.searchParams.set(name, value);
    return { address, protocols: key ? ["voicebus", `voicebus.key.${key}`] : [] };
  }
}
