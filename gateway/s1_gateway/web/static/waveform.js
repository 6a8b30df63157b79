// A picture of sound: bars for what came, coloured up to where it has been heard.

const BAR_PX = 3;
const GAP_PX = 2;
const QUIETEST = 0.02; // so that silence is seen too
const SPANS_S = [5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 900, 1800];

export class Waveform {
  #canvas;
  #sound = null;
  #heard_s = 0;
  #isWhole = false;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /**
   * @param {import("./sound.js").Sound | null} sound
   * @param {number} heard_s how much of it has been heard
   * @param {boolean} isWhole whether no more of it comes
   */
  show(sound, heard_s, isWhole) {
    this.#sound = sound;
    this.#heard_s = heard_s;
    this.#isWhole = isWhole;
    this.draw();
  }

  draw() {
    const scale = devicePixelRatio;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    const context = this.#canvas.getContext("2d");
    context.scale(scale, scale);
    const style = getComputedStyle(this.#canvas);
    const [heard, came, empty] = ["--bar-heard", "--bar-came", "--bar-empty"].map((name) => style.getPropertyValue(name));
    const numBars = Math.floor((width + GAP_PX) / (BAR_PX + GAP_PX));
    const bar_s = this.#span_s() / numBars;
    for (let bar = 0; bar < numBars; bar++) {
      const peak = this.#peak(bar * bar_s, (bar + 1) * bar_s);
      const tall = Math.max(BAR_PX, Math.min(1, Math.max(QUIETEST, peak ?? 0)) * height);
      const hasBeenHeard = (bar + 0.5) * bar_s < this.#heard_s;
      context.fillStyle = peak === null ? empty : hasBeenHeard ? heard : came;
      context.beginPath();
      context.roundRect(bar * (BAR_PX + GAP_PX), (height - tall) / 2, BAR_PX, tall, BAR_PX / 2);
      context.fill();
    }
  }

  /** Seconds that the width stands for: all of a whole sound, else a little more than came, in few steps. */
  #span_s() {
    const came_s = this.#sound?.seconds ?? 0;
    if (this.#isWhole && came_s > 0) {
      return came_s;
    }
    return SPANS_S.find((span_s) => span_s > came_s) ?? came_s;
  }

  #peak(from_s, to_s) {
    const { peaks = [], peaksPerS = 1 } = this.#sound ?? {};
    const from = Math.floor(from_s * peaksPerS);
    if (from >= peaks.length) {
      return null;
    }
    // drawn as it is heard: twice as loud is not twice as tall
    return Math.sqrt(Math.max(...peaks.slice(from, Math.max(from + 1, Math.floor(to_s * peaksPerS)))));
  }
}
