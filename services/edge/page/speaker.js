// Plays the pieces of an answer, one right after the other on the clock of the sound card, and knows what was heard.
const LEAD_SECONDS = 0.05; // before the first piece, so that it does not begin in the past
const SOONEST_SECONDS = 0.01; // what begins earlier than that may come too late for the sound card
const LONGEST_LEAD_SECONDS = 1.6;
const EMPTY_WAV_BYTES = 44;
const LETTERS_PER_SECOND = 15; // of most voices; only until the end of the sentence is there

export class Speaker {
  #context = null;
  #sounds = [];
  #chain = Promise.resolve();
  #lead = LEAD_SECONDS;

  /** When the first sound since the last silence begins, as `performance.now()` counts; 0 before. */
  firstAt = 0;

  /** A page may make a sound only after somebody touched it: call this then. */
  wake() {
    this.#context ??= new AudioContext();
    if (this.#context.state !== "running") this.#context.resume();
  }

  /** Play a WAV after all that came before it; `whole`: sentence `n` ends with it. */
  add(n, wav, whole) {
    const sound = { n, whole, start: Infinity, end: Infinity, source: null, dropped: false };
    this.#sounds.push(sound);
    this.#chain = this.#chain.then(() => this.#schedule(sound, wav));
  }

  /** Everything that was added has its time. */
  settled() {
    return this.#chain;
  }

  /** Take back every sound of sentence `n` and of those after it. */
  dropFrom(n) {
    for (const sound of this.#sounds.filter((sound) => sound.n >= n)) {
      sound.dropped = true;
      sound.source?.stop();
    }
    this.#sounds = this.#sounds.filter((sound) => sound.n < n);
  }

  /** Be silent at once, and ready for another answer. */
  stop() {
    this.dropFrom(0);
    this.firstAt = 0;
    this.#lead = LEAD_SECONDS;
  }

  /** How many sentences were heard whole. */
  get heard() {
    return this.#sounds.filter((sound) => sound.whole && sound.end <= this.#now).length;
  }

  /** How much of sentence `n` was heard, 0 to 1; `letters` tells how long it may be while its end has not come. */
  said(n, letters) {
    const sounds = this.#sounds.filter((sound) => sound.n === n && sound.end < Infinity);
    if (!sounds.length) return 0;
    const [from, to] = [sounds[0].start, sounds.at(-1).end];
    if (sounds.at(-1).whole && to <= this.#now) return 1;
    const length = sounds.at(-1).whole ? to - from : Math.max(to - from, letters / LETTERS_PER_SECOND);
    return Math.max(0, (this.#now - from) / length);
  }

  get isPlaying() {
    return this.#sounds.some((sound) => sound.end > this.#now);
  }

  /** The browser makes no sound until somebody touches the page. */
  get isAsleep() {
    return this.#context !== null && this.#context.state !== "running";
  }

  get #now() {
    return this.#context?.currentTime ?? 0;
  }

  async #schedule(sound, wav) {
    const buffer = wav.byteLength > EMPTY_WAV_BYTES ? await this.#decoded(wav) : null;
    if (sound.dropped) return;
    const earlier = this.#sounds.slice(0, this.#sounds.indexOf(sound));
    const before = Math.max(0, ...earlier.map((other) => other.end));
    sound.start = buffer ? this.#after(before, earlier.at(-1)?.n === sound.n) : before;
    sound.end = sound.start + (buffer?.duration ?? 0);
    if (!buffer) return;
    this.firstAt ||= performance.now() + 1000 * (sound.start - this.#now);
    sound.source = new AudioBufferSourceNode(this.#context, { buffer });
    sound.source.connect(this.#context.destination);
    sound.source.start(sound.start);
  }

  /** When to go on after `before`. Where the link is slower than the voice, ever more is gathered: few pauses, not many. */
  #after(before, isWithin) {
    if (before > this.#now + SOONEST_SECONDS) return before;
    if (isWithin) this.#lead = Math.min(2 * this.#lead, LONGEST_LEAD_SECONDS);
    return this.#now + this.#lead;
  }

  async #decoded(wav) {
    try {
      return await this.#context.decodeAudioData(wav);
    } catch {
      return null; // a piece that cannot be played is passed over: the answer goes on
    }
  }
}
