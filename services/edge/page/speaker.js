// Plays the pieces of an answer, one right after the other, and knows which sentences were heard whole.
const LEAD_SECONDS = 0.05; // before the first piece, so that it does not begin in the past
const EMPTY_WAV_BYTES = 44;

export class Speaker {
  #context = null;
  #sounds = [];
  #chain = Promise.resolve();

  /** A page may make a sound only after somebody touched it: call this then. */
  wake() {
    this.#context ??= new AudioContext();
    this.#context.resume();
  }

  /** Play a WAV after all that came before it; `whole`: sentence `n` ends with it. */
  add(n, wav, whole) {
    const sound = { n, whole, end: Infinity, source: null, dropped: false };
    this.#sounds.push(sound);
    this.#chain = this.#chain.then(() => this.#schedule(sound, wav));
  }

  /** Take back every sound of sentence `n` and of those after it. */
  dropFrom(n) {
    for (const sound of this.#sounds.filter((sound) => sound.n >= n)) {
      sound.dropped = true;
      sound.source?.stop();
    }
    this.#sounds = this.#sounds.filter((sound) => sound.n < n);
  }

  /** Be silent at once; gives how many sentences were heard whole. */
  stop() {
    const heard = this.heard;
    this.dropFrom(0);
    return heard;
  }

  get heard() {
    const now = this.#context?.currentTime ?? 0;
    return this.#sounds.filter((sound) => sound.whole && sound.end <= now).length;
  }

  get isPlaying() {
    const now = this.#context?.currentTime ?? 0;
    return this.#sounds.some((sound) => sound.end > now);
  }

  async #schedule(sound, wav) {
    const buffer = wav.byteLength > EMPTY_WAV_BYTES ? await this.#decoded(wav) : null;
    if (sound.dropped) return;
    const earlier = this.#sounds.slice(0, this.#sounds.indexOf(sound));
    const before = Math.max(0, ...earlier.map((other) => other.end));
    const start = Math.max(before, this.#context.currentTime + LEAD_SECONDS);
    sound.end = buffer ? start + buffer.duration : before;
    if (!buffer) return;
    sound.source = new AudioBufferSourceNode(this.#context, { buffer });
    sound.source.connect(this.#context.destination);
    sound.source.start(start);
  }

  async #decoded(wav) {
    try {
      return await this.#context.decodeAudioData(wav);
    } catch {
      return null; // a piece that cannot be played is passed over: the answer goes on
    }
  }
}
