// One utterance over the gateway's WebSocket: text out, 16-bit samples in.

import { addressOf, whyRefused } from "./api.js";
import { problemOf } from "./problems.js";
import { token } from "./token.js";

export class SpeechSocket {
  #socket;
  #handlers;
  #isOver = false;
  #wasOpen = false;

  /**
   * @param {{text: string, voice: string, sampleRateHz: number}} order
   * @param {object} handlers
   * @param {(samples: Int16Array) => void} handlers.onSound
   * @param {(wasCut: boolean) => void} handlers.onDone all has come
   * @param {(problem: Error) => void} handlers.onProblem no more comes
   */
  constructor({ text, voice, sampleRateHz }, handlers) {
    this.#handlers = handlers;
    const address = addressOf("v1/audio/stream");
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    if (token.value) {
      address.searchParams.set("token", token.value); // a page can set no headers of a WebSocket
    }
    this.#socket = new WebSocket(address);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.#wasOpen = true;
      this.#socket.send(JSON.stringify({ text, voice, format: "pcm", sample_rate: sampleRateHz }));
    };
    this.#socket.onmessage = ({ data }) => this.#take(data);
    this.#socket.onclose = () => this.#closed();
  }

  /** Wants no more: nothing is called any more, and the server stops its work. */
  close() {
    this.#isOver = true;
    this.#socket.close();
  }

  #take(data) {
    if (this.#isOver) {
      return;
    }
    if (data instanceof ArrayBuffer) {
      this.#handlers.onSound(new Int16Array(data));
      return;
    }
    const { done, cut, error } = JSON.parse(data);
    if (done || error) {
      this.close();
      if (error) {
        this.#handlers.onProblem(problemOf(error.code, error.message));
      } else {
        this.#handlers.onDone(Boolean(cut));
      }
    }
  }

  async #closed() {
    if (this.#isOver) {
      return;
    }
    this.#isOver = true;
    this.#handlers.onProblem(this.#wasOpen ? problemOf("lost") : await whyRefused());
  }
}
