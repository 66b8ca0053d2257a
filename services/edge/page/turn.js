// One question and its answer: turns the frames of the protocol into what is seen and heard, each sentence once.
export class Turn {
  name = ""; // on the bus; empty until it is stored there
  cancelled = false;
  #texts = []; // of the sentences that came whole
  #kept = []; // texts of those that come again: who has them skips them
  #next = null; // the frame whose sound comes next
  #saying = "";
  #skipping = false;
  #began;
  #isHeard = false; // by the service: its words are known
  #isOver = false;

  /** `began`: when the person was ready, as `performance.now()` counts. */
  constructor(question, view, speaker, began) {
    this.question = question;
    this.view = view;
    this.speaker = speaker;
    this.#began = began;
  }

  /** Take a text frame; true when it ends the turn. */
  frame(frame) {
    const ends = Boolean(frame.error || frame.done);
    if (this.cancelled) return ends;
    this.#isOver ||= ends;
    if (frame.error) this.view.failed(frame.error);
    else if (frame.done) this.#done(frame);
    else if (frame.restarted) this.#forget(frame.same ?? 0);
    else if (frame.n !== undefined) this.#sentence(frame);
    else if (frame.transcription !== undefined) this.#heard(frame.transcription);
    else if (frame.turn) this.name = frame.turn;
    return ends;
  }

  /** Take the sound that belongs to the frame before it. */
  sound(wav) {
    if (this.cancelled || this.#skipping) return;
    this.speaker.add(this.#next.n, wav, !this.#next.more);
  }

  /** The link broke and came back: the answer will be told from its beginning. */
  again() {
    if (!this.cancelled) this.#forget(this.#texts.length);
  }

  /** Nobody wants more of it. */
  cancel() {
    if (this.cancelled) return;
    this.cancelled = true;
    this.view.interrupted((n, letters) => this.speaker.said(n, letters));
  }

  /** Show what the clock alone changes; true until the end. */
  tick() {
    if (this.cancelled) return false;
    this.view.said((n, letters) => (this.speaker.isAsleep ? 1 : this.speaker.said(n, letters)));
    const word = this.#doing;
    this.view.doing(word);
    return word !== "";
  }

  /** What is waited for. */
  get #doing() {
    if (this.speaker.isPlaying) return this.speaker.isAsleep ? "asleep" : "speaking";
    if (this.#isOver) return "";
    if (this.#next) return this.speaker.firstAt ? "waiting" : "coming";
    if (this.#isHeard) return "thinking";
    return this.name ? "sent" : "sending";
  }

  async #done(frame) {
    const whole = performance.now() - this.#began;
    await this.speaker.settled();
    const first = this.speaker.firstAt ? this.speaker.firstAt - this.#began : null;
    if (!this.cancelled) this.view.done(frame.trail ?? [], { whole: Math.max(whole, first ?? 0), first });
  }

  #heard(transcription) {
    this.#isHeard = transcription !== "";
    this.view.heard(transcription);
  }

  #sentence(frame) {
    this.#next = frame;
    const { n, llama, more } = frame;
    if (llama !== undefined) {
      this.#skipping = n < this.#kept.length && llama === this.#kept[n];
      if (!this.#skipping && n < this.#kept.length) this.#forget(n);
      if (!this.#skipping) this.view.sentence(n, llama);
      this.#saying = llama;
    }
    if (!more) this.#texts[n] = this.#saying;
  }

  /** Sentences from `n` on are void. */
  #forget(n) {
    this.#kept = this.#texts.slice(0, n);
    this.#texts = this.#kept.slice();
    this.speaker.dropFrom(n);
    this.view.forget(n);
  }
}
