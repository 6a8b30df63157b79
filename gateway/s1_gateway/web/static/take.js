// A recording before it is sent: taken or chosen, seen, listened to, and checked as far as this browser can read it.

import { audioContext, Playback, RATE_HZ } from "./playback.js";
import { Problem } from "./problems.js";
import { Recorder } from "./recorder.js";
import { Sound } from "./sound.js";

const TOO_QUIET = 0.02;

export class Take {
  #recorder = null;
  #begun_ms = 0;
  #playback = null;

  /** @type {Blob | null} what is sent */
  recording = null;
  /** @type {Sound | null} what it sounds like; null: there is nothing, or this browser cannot read it */
  sound = null;

  get isRecording() {
    return this.#recorder !== null;
  }

  get isPlaying() {
    return this.#playback !== null;
  }

  get recorded_s() {
    return (performance.now() - this.#begun_ms) / 1000;
  }

  get heard_s() {
    return this.#playback ? this.#playback.heard / RATE_HZ : 0;
  }

  async start() {
    this.forget();
    this.#recorder = await Recorder.start();
    this.#begun_ms = performance.now();
    this.sound = new Sound(RATE_HZ);
  }

  /** Adds what was recorded meanwhile to the picture. */
  watch() {
    const missing = Math.floor(this.recorded_s * RATE_HZ) - this.sound.length;
    if (missing > 0) {
      const piece = new Float32Array(missing);
      piece.set(this.#recorder.latest(missing));
      this.sound.add(piece);
    }
  }

  /** Ends the recording, and takes it. */
  async stop() {
    const recorder = this.#recorder;
    this.#recorder = null;
    await this.choose(await recorder.stop());
  }

  /** @param {Blob} recording a file */
  async choose(recording) {
    this.forget();
    this.recording = recording;
    try {
      const decoded = await audioContext().decodeAudioData(await recording.arrayBuffer());
      this.sound = new Sound(RATE_HZ);
      this.sound.add(decoded.getChannelData(0));
    } catch {
      this.sound = null; // the server reads more formats than a browser, and says what is wrong
    }
  }

  /**
   * @param {object} facts what is allowed
   * @throws {Problem} it can be seen here that it is no use
   */
  check(facts) {
    if (this.recording === null) {
      throw new Problem("recording", "There is no recording yet. Record one, or choose a file.");
    }
    if (this.recording.size > facts.max_recording_bytes) {
      const megabytes = Math.floor(facts.max_recording_bytes / 2 ** 20);
      throw new Problem("recording", `The file is too large. At most ${megabytes} MB can be sent.`);
    }
    const { seconds, peaks } = this.sound ?? { seconds: facts.min_recording_s, peaks: [1] };
    if (seconds < facts.min_recording_s || seconds > facts.max_recording_s) {
      const allowed = `${facts.min_recording_s} to ${facts.max_recording_s} seconds are allowed`;
      throw new Problem("recording", `The recording has ${seconds.toFixed(1)} seconds; ${allowed}, 10 to 20 are best.`);
    }
    if (peaks.every((peak) => peak < TOO_QUIET)) {
      throw new Problem("recording", "Nothing can be heard in the recording. Is the right microphone switched on?");
    }
  }

  /** @param {() => void} onEnd it has been heard */
  play(onEnd) {
    this.silence();
    this.#playback = new Playback({
      onEnd: () => {
        this.#playback = null;
        onEnd();
      },
    });
    this.#playback.add(this.sound.samples());
    this.#playback.finish();
  }

  silence() {
    this.#playback?.stop();
    this.#playback = null;
  }

  /** Lets go of everything, the microphone too. */
  forget() {
    this.silence();
    this.#recorder?.stop();
    this.#recorder = null;
    this.recording = null;
    this.sound = null;
  }
}
