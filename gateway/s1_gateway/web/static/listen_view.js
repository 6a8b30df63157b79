// The text, its sound, and what is done with both.

import { makeMp3 } from "./api.js";
import { byId, clockOf } from "./elements.js";
import { Playback, RATE_HZ } from "./playback.js";
import { problemOf } from "./problems.js";
import { floatsOf, Sound } from "./sound.js";
import { SpeechSocket } from "./speech_socket.js";
import { Waveform } from "./waveform.js";

export class ListenView {
  #text = byId("text");
  #waveform = new Waveform(byId("waveform"));
  #maxCharacters = Infinity;
  #voices;
  #onProblem;
  /** @type {Sound | null} */
  #sound = null;
  #playback = null;
  #socket = null;
  #name = "speech";
  #isMakingFile = false;

  /**
   * @param {import("./voices_view.js").VoicesView} voices
   * @param {(problem: Error | null) => void} onProblem null: there is none any more
   */
  constructor(voices, onProblem) {
    this.#voices = voices;
    this.#onProblem = onProblem;
    this.#text.oninput = () => this.#count();
    byId("speak").onclick = () => this.speak();
    byId("stop").onclick = () => this.stop();
    byId("again").onclick = () => this.#playAgain();
    byId("download-wav").onclick = () => this.#keep(this.#sound.toWav(), "wav");
    byId("download-mp3").onclick = () => this.#keepMp3();
    this.#count();
    this.#show();
  }

  /** @param {number} maxCharacters that a text may have */
  allow(maxCharacters) {
    this.#maxCharacters = maxCharacters;
    this.#count();
  }

  /** The text, or null after telling why it cannot be said. */
  textToSay() {
    const text = this.#text.value.trim();
    if (text && !this.#isTooLong()) {
      return text;
    }
    this.#text.focus();
    const fault = text ? `The text is too long: ${this.#maxCharacters} characters are allowed.` : "There is no text yet.";
    this.#onProblem(new Error(fault));
    return null;
  }

  speak() {
    this.#leave();
    this.#onProblem(null);
    const text = this.textToSay();
    if (text === null) {
      return;
    }
    const voice = this.#voices.chosen;
    this.#name = `${voice}-${text.slice(0, 24).replace(/[^\p{L}\p{N}]+/gu, "-").toLowerCase()}`;
    this.#sound = new Sound(RATE_HZ);
    this.#play(performance.now());
    this.#socket = new SpeechSocket(
      { text, voice, sampleRateHz: RATE_HZ },
      { onSound: (samples) => this.#take(samples), onDone: (wasCut) => this.#done(wasCut), onProblem: (problem) => this.#fail(problem) },
    );
    byId("first-sound").textContent = "…";
    byId("pauses").textContent = "–";
    this.#tell("Waiting for the first sound…");
    this.#show();
    this.#watch();
  }

  /** Is silent at once; what was not heard is forgotten. */
  stop() {
    if (this.#playback === null) {
      return;
    }
    const wasComing = this.#socket !== null;
    const { heard } = this.#playback;
    this.#leave();
    if (wasComing) {
      this.#sound.cut(heard);
    }
    this.#tell("Stopped.");
    this.#show();
  }

  #play(asked_ms) {
    const isFirst = asked_ms !== null;
    let wasMute = false;
    this.#playback = new Playback({
      onMute: () => {
        wasMute = true;
        this.#onProblem(problemOf("mute"));
      },
      onStart: (in_s) => {
        if (wasMute) {
          this.#onProblem(null);
        }
        if (isFirst) {
          byId("first-sound").textContent = `${Math.round(performance.now() - asked_ms + 1000 * in_s)} ms`;
        }
        this.#tell("Speaking.");
      },
      onWait: () => this.#tell("Waiting for more sound…"),
      onEnd: () => this.#ended(),
    });
  }

  #take(samples) {
    const floats = floatsOf(samples);
    const { pauses } = this.#playback;
    this.#sound.add(floats);
    this.#playback.add(floats);
    byId("pauses").textContent = String(this.#playback.pauses);
    if (this.#playback.pauses > pauses) {
      this.#tell("Speaking.");
    }
  }

  #done(wasCut) {
    this.#socket = null;
    if (wasCut) {
      this.#onProblem(problemOf("cut"));
    }
    this.#playback.finish();
    this.#show();
  }

  #fail(problem) {
    this.#socket = null;
    this.#onProblem(problem);
    if (problem.code === "not_found") {
      this.#voices.load();
    }
    this.#playback.finish(); // what came is heard to its end
    this.#show();
  }

  #ended() {
    this.#playback = null;
    this.#tell(this.#sound.length > 0 ? "That was all." : "Nothing was said.");
    if (this.#sound.length === 0) {
      byId("first-sound").textContent = "–";
    }
    this.#show();
  }

  #playAgain() {
    this.#leave();
    this.#play(null);
    this.#playback.add(this.#sound.samples());
    this.#playback.finish();
    this.#show();
    this.#watch();
  }

  /** Lets go of what is under way. */
  #leave() {
    this.#socket?.close();
    this.#socket = null;
    this.#playback?.stop();
    this.#playback = null;
  }

  async #keepMp3() {
    const sound = this.#sound;
    this.#isMakingFile = true;
    this.#onProblem(null);
    this.#show();
    try {
      this.#keep(await makeMp3(sound.toPcm()), "mp3");
    } catch (problem) {
      const isTooLong = problem.code === "too_large";
      this.#onProblem(isTooLong ? new Error("This is too long to become an MP3 here. Download it as WAV.") : problem);
    }
    this.#isMakingFile = false;
    this.#show();
  }

  #keep(file, extension) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${this.#name}.${extension}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  #watch() {
    this.#draw();
    if (this.#playback !== null) {
      requestAnimationFrame(() => this.#watch());
    }
  }

  #draw() {
    const came_s = this.#sound?.seconds ?? 0;
    const heard_s = this.#playback ? this.#playback.heard / RATE_HZ : came_s;
    byId("heard").textContent = clockOf(heard_s);
    byId("came").textContent = clockOf(came_s);
    this.#waveform.show(this.#sound, heard_s, this.#socket === null);
  }

  #show() {
    const isBusy = this.#playback !== null;
    const hasSound = this.#sound !== null && this.#sound.length > 0;
    const stop = byId("stop");
    if (!isBusy && document.activeElement === stop) {
      byId("speak").focus(); // a button that is switched off keeps no focus
    }
    stop.disabled = !isBusy;
    byId("again").disabled = !hasSound || this.#socket !== null;
    byId("download-wav").disabled = !hasSound || this.#socket !== null;
    byId("download-mp3").disabled = !hasSound || this.#socket !== null || this.#isMakingFile;
    byId("sound").dataset.state = isBusy ? "busy" : hasSound ? "heard" : "empty";
    this.#draw();
  }

  #isTooLong() {
    return [...this.#text.value.trim()].length > this.#maxCharacters;
  }

  #count() {
    const count = byId("text-count");
    const shown = (number) => number.toLocaleString("en");
    const allowed = Number.isFinite(this.#maxCharacters) ? ` of ${shown(this.#maxCharacters)}` : "";
    count.textContent = `${shown([...this.#text.value.trim()].length)}${allowed} characters`;
    count.dataset.over = String(this.#isTooLong());
  }

  #tell(words) {
    byId("status").textContent = words;
  }
}
