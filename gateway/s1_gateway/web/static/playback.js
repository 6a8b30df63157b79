// Plays sound while it comes. An audio element would wait for 32 KiB; buffers in a row begin with the first piece.

const LEAD_S = 0.06; // before the first sound, so that the second piece is there in time
const LONGEST_LEAD_S = 1;
const FADE_S = 0.01;
const MARGIN_S = 0.005; // what starts sooner than this may start late, and sound over what follows it
const PATIENCE_MS = 2000; // for the browser to let anything sound

export const RATE_HZ = 44100; // the model's own: nothing is resampled on the way

let sharedContext = null;

/** The page's one audio context; browsers let it sound only once a person has pressed something. */
export function audioContext() {
  sharedContext ??= new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
  if (sharedContext.state !== "running") {
    sharedContext.resume();
  }
  return sharedContext;
}

export class Playback {
  #context = audioContext();
  #gain = new GainNode(this.#context);
  #handlers;
  #runs = []; // {frame, sample, length}: samples that are played in a row, and when
  #endFrame = 0;
  #numSamples = 0;
  #lead_s = LEAD_S;
  #lastSource = null;
  #isFinished = false;
  #isOver = false;

  /** Times that it had to wait for sound. */
  pauses = 0;

  /**
   * @param {object} handlers
   * @param {(in_s: number) => void} [handlers.onStart] the first sound is heard in so many seconds
   * @param {() => void} [handlers.onMute] nothing sounds: the browser has no loudspeaker, or may not use it
   * @param {() => void} [handlers.onWait] all that came has been played, and more is to come
   * @param {() => void} handlers.onEnd all has been played
   */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#gain.connect(this.#context.destination);
  }

  /** @param {Float32Array} samples mono, 44.1 kHz */
  add(samples) {
    if (this.#isOver || samples.length === 0) {
      return;
    }
    const nowFrame = Math.ceil(this.#context.currentTime * RATE_HZ);
    if (this.#runs.length === 0 || this.#endFrame < nowFrame + MARGIN_S * RATE_HZ) {
      this.#startRun(nowFrame);
    }
    const buffer = this.#context.createBuffer(1, samples.length, RATE_HZ);
    buffer.copyToChannel(samples, 0);
    const source = new AudioBufferSourceNode(this.#context, { buffer });
    source.connect(this.#gain);
    source.onended = () => this.#played(source);
    source.start(this.#endFrame / RATE_HZ);
    this.#lastSource = source;
    this.#endFrame += samples.length;
    this.#numSamples += samples.length;
    this.#runs.at(-1).length += samples.length;
  }

  /** No more comes. */
  finish() {
    this.#isFinished = true;
    if (this.#lastSource === null && !this.#isOver) {
      this.#isOver = true;
      this.#handlers.onEnd();
    }
  }

  /** Is silent at once; no handler is called any more. */
  stop() {
    this.#isOver = true;
    const now_s = this.#context.currentTime;
    this.#gain.gain.setValueAtTime(1, now_s);
    this.#gain.gain.linearRampToValueAtTime(0, now_s + FADE_S);
    setTimeout(() => this.#gain.disconnect(), 10 * 1000 * FADE_S);
  }

  /** Samples that have been heard. */
  get heard() {
    const frame = (this.#context.currentTime - (this.#context.outputLatency || 0)) * RATE_HZ;
    const run = this.#runs.findLast((each) => each.frame <= frame);
    return run ? run.sample + Math.min(run.length, Math.floor(frame - run.frame)) : 0;
  }

  #startRun(nowFrame) {
    if (this.#runs.length > 0) {
      this.pauses += 1;
      this.#lead_s = Math.min(2 * this.#lead_s, LONGEST_LEAD_S); // rather one long pause than many short ones
    }
    this.#endFrame = nowFrame + Math.round(this.#lead_s * RATE_HZ);
    this.#runs.push({ frame: this.#endFrame, sample: this.#numSamples, length: 0 });
    if (this.#runs.length === 1) {
      this.#begin();
    }
  }

  /** The clock of a context that does not run stands still: the first sound is as far away as when it was planned. */
  #begin() {
    if (this.#context.state === "running") {
      this.#handlers.onStart?.(this.#lead_s + (this.#context.outputLatency || 0));
      return;
    }
    const patience = setTimeout(() => this.#isOver || this.#handlers.onMute?.(), PATIENCE_MS);
    const start = () => {
      clearTimeout(patience);
      if (!this.#isOver) {
        this.#begin();
      }
    };
    this.#context.addEventListener("statechange", start, { once: true });
  }

  #played(source) {
    if (this.#isOver || source !== this.#lastSource) {
      return;
    }
    this.#lastSource = null;
    if (this.#isFinished) {
      this.#isOver = true;
      this.#handlers.onEnd();
    } else {
      this.#handlers.onWait?.();
    }
  }
}
