// The socket: it opens when there is something to ask, and comes back to its turn when it breaks.
const PAUSES_MS = [250, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000];
const OPEN_MS = 10_000;
const SILENCE_MS = 20_000; // after so long without a frame the link may be dead without knowing it
const LEFT = 4000; // not 1000, which would cancel the turn
const FATAL = /^refused\./;

export class Link {
  #socket = null;
  #turns = []; // asked and not ended, in order: what comes belongs to the first
  #tries = 0;
  #timer = 0;
  #stale = false;

  /** `wishes()` gives session, voice, language and key; `told(state)` hears `lost`, `back` and `""`, `refused(error)` why no socket opens. */
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
    if (this.#socket?.readyState === WebSocket.OPEN) this.#send(turn);
    else if (!this.#socket) this.#open();
  }

  /** End what runs; `sentences` of it were heard. */
  cancel(sentences) {
    this.#turns.forEach((turn) => turn.cancelled || turn.cancel());
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ cancel: true, sentences }));
  }

  /** The wishes have changed: the next question goes out with the new ones. */
  renew() {
    this.#stale = true;
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
      this.#opened(turn);
    };
    socket.onmessage = ({ data }) => this.#socket === socket && this.#message(data);
    socket.onclose = () => this.#socket === socket && this.#closed(opened);
    this.#socket = socket;
    this.#watch(OPEN_MS);
  }

  #opened(resumed) {
    if (this.#tries) this.told("back");
    this.#tries = 0;
    if (resumed?.name) resumed.again();
    this.#turns.filter((turn) => !turn.name).forEach((turn) => this.#send(turn));
    this.#watch(SILENCE_MS);
  }

  #send(turn) {
    this.#socket.send(turn.question);
    this.#watch(SILENCE_MS);
  }

  #message(data) {
    this.#watch(SILENCE_MS);
    const turn = this.#turns[0];
    if (!turn) return;
    if (typeof data !== "string") turn.sound(data);
    else if (turn.frame(JSON.parse(data))) this.#turns.shift();
  }

  /** Look after a socket that says nothing for `milliseconds` while an answer is waited for. */
  #watch(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (!this.isBusy && this.#socket?.readyState === WebSocket.OPEN) return;
      const opened = this.#socket?.readyState === WebSocket.OPEN;
      this.#leave(LEFT);
      this.#closed(opened);
    }, milliseconds);
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
    if (!this.isBusy && opened) return;
    if (this.isBusy) this.told("lost");
    const error = opened ? null : await this.#refusal();
    if (!this.isBusy) return error && this.refused(error);
    const fatal = error && (FATAL.test(error.code) || error.code === "busy");
    const pause = PAUSES_MS[this.#tries++];
    if (fatal) this.#fail(error);
    else if (pause === undefined) this.#fail({ code: "unreachable" });
    else setTimeout(() => !this.#socket && this.isBusy && this.#open(), pause);
  }

  #fail(error) {
    this.#tries = 0;
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
