// Takes a recording from the microphone, in whatever format this browser makes; the server reads all of them.

import { audioContext } from "./playback.js";
import { microphoneProblem, Problem } from "./problems.js";

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];

export class Recorder {
  #stream;
  #recorder;
  #analyser;
  #parts = [];

  constructor(stream) {
    this.#stream = stream;
    const type = TYPES.find((each) => MediaRecorder.isTypeSupported(each));
    this.#recorder = new MediaRecorder(stream, { mimeType: type, audioBitsPerSecond: 128000 });
    this.#recorder.ondataavailable = ({ data }) => this.#parts.push(data);
    this.#analyser = new AnalyserNode(audioContext(), { fftSize: 2048 });
    audioContext().createMediaStreamSource(stream).connect(this.#analyser);
    this.#recorder.start();
  }

  /**
   * Asks for the microphone, and begins.
   * @throws {Problem} there is none, or it may not be used
   */
  static async start() {
    if (!navigator.mediaDevices) {
      throw new Problem(
        "microphone",
        "Browsers let a page use the microphone only over HTTPS or on the gateway's own machine. A file can be chosen instead.",
      );
    }
    try {
      // as it is: what makes a call clear takes from a voice what it is known by
      const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
      return new Recorder(await navigator.mediaDevices.getUserMedia({ audio }));
    } catch (error) {
      throw microphoneProblem(error);
    }
  }

  /** What came since about the last call: samples for the picture. */
  latest(numSamples) {
    const samples = new Float32Array(Math.min(numSamples, this.#analyser.fftSize));
    this.#analyser.getFloatTimeDomainData(samples);
    return samples;
  }

  /** Ends, lets go of the microphone, and gives the recording. */
  async stop() {
    const stopped = new Promise((resolve) => (this.#recorder.onstop = resolve));
    if (this.#recorder.state !== "inactive") {
      this.#recorder.stop();
      await stopped;
    }
    this.#stream.getTracks().forEach((track) => track.stop());
    return new Blob(this.#parts, { type: this.#recorder.mimeType });
  }
}
