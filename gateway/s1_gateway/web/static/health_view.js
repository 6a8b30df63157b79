// How the server is, in a word; looks again by itself while it is not well.

import { askHealth } from "./api.js";
import { byId } from "./elements.js";

const AGAIN_MS = 2000;
const WORDS = {
  ready: "Ready",
  away: "The gateway does not answer",
  draining: "The gateway is stopping",
};

export class HealthView {
  #place = byId("health");
  #timer = null;
  #onReady;

  /** @param {() => void} onReady it is well, for the first time or again */
  constructor(onReady) {
    this.#onReady = onReady;
  }

  /** Looks now. */
  async look() {
    clearTimeout(this.#timer);
    const state = await askHealth();
    const words = WORDS[state] ?? `${state[0].toUpperCase()}${state.slice(1)}`;
    if (this.#place.textContent !== words) {
      this.#place.textContent = words;
      this.#place.dataset.state = state === "ready" ? "ready" : "unwell";
      if (state === "ready") {
        this.#onReady();
      }
    }
    if (state !== "ready") {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.look(), AGAIN_MS);
    }
  }
}
