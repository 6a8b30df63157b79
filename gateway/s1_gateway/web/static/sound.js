// Sound as it came: samples, their peaks for the picture, and a file of them.

const PEAKS_PER_S = 100;

export class Sound {
  #pieces = [];

  /** @param {number} rateHz samples per second */
  constructor(rateHz) {
    this.rateHz = rateHz;
    this.length = 0;
    /** @type {number[]} greatest amplitude, 0 to 1, of each hundredth of a second */
    this.peaks = [];
  }

  get peaksPerS() {
    return PEAKS_PER_S;
  }

  get seconds() {
    return this.length / this.rateHz;
  }

  /** @param {Float32Array} samples mono, from -1 to 1 */
  add(samples) {
    for (let index = 0; index < samples.length; index++) {
      const at = Math.floor(((this.length + index) * PEAKS_PER_S) / this.rateHz);
      this.peaks[at] = Math.max(this.peaks[at] ?? 0, Math.abs(samples[index]));
    }
    this.#pieces.push(samples);
    this.length += samples.length;
  }

  /** Forgets what comes after a sample. */
  cut(length) {
    const all = this.samples().subarray(0, length);
    this.#pieces = [];
    this.length = 0;
    this.peaks = [];
    this.add(all);
  }

  samples() {
    const all = new Float32Array(this.length);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }

  /** Samples of 16 bits, little-endian, behind room for a header. */
  #toBytes(headerBytes) {
    const view = new DataView(new ArrayBuffer(headerBytes + 2 * this.length));
    this.samples().forEach((sample, index) => {
      view.setInt16(headerBytes + 2 * index, Math.max(-32768, Math.min(32767, Math.round(sample * 32768))), true);
    });
    return view;
  }

  /** Samples of 16 bits, without a header. */
  toPcm() {
    return this.#toBytes(0).buffer;
  }

  /** A WAV file of 16 bits. */
  toWav() {
    const HEADER_BYTES = 44;
    const view = this.#toBytes(HEADER_BYTES);
    const write = (at, word) => [...word].forEach((letter, index) => view.setUint8(at + index, letter.charCodeAt(0)));
    write(0, "RIFF");
    view.setUint32(4, view.byteLength - 8, true);
    write(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true); // PCM
    view.setUint16(22, 1, true); // mono
    view.setUint32(24, this.rateHz, true);
    view.setUint32(28, 2 * this.rateHz, true);
    view.setUint16(32, 2, true);
    view.setUint16(34, 16, true);
    write(36, "data");
    view.setUint32(40, 2 * this.length, true);
    return new Blob([view], { type: "audio/wav" });
  }
}

/** @param {Int16Array} samples */
export function floatsOf(samples) {
  return Float32Array.from(samples, (sample) => sample / 32768);
}
