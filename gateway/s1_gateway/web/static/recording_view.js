// The dialog in which a voice is recorded and stored.

import { addVoice } from "./api.js";
import { byId, clockOf } from "./elements.js";
import { Problem } from "./problems.js";
import { Take } from "./take.js";
import { Waveform } from "./waveform.js";

const HINT = "10 to 20 seconds in a quiet room are best.";

export class RecordingView {
  #dialog = byId("recording");
  #take = new Take();
  #waveform = new Waveform(byId("take-waveform"));
  #facts = null;
  #onStored;

  /** @param {(name: string) => void} onStored a voice of this name is there now */
  constructor(onStored) {
    this.#onStored = onStored;
    byId("record").onclick = () => this.#toggle();
    byId("listen-take").onclick = () => this.#listen();
    byId("file").onchange = ({ target }) => target.files[0] && this.#choose(target.files[0]);
    byId("recording-form").onsubmit = (event) => {
      event.preventDefault();
      this.#store();
    };
    for (const id of ["recording-close", "recording-cancel"]) {
      byId(id).onclick = () => this.#dialog.close();
    }
    this.#dialog.onclose = () => {
      this.#take.forget();
      byId("file").value = "";
    };
  }

  /** @param {object} facts what is allowed */
  open(facts) {
    this.#facts = facts;
    byId("said").maxLength = facts.max_transcript_characters;
    this.#tell(HINT);
    this.#complain("");
    this.#show();
    this.#dialog.showModal();
    byId("record").focus();
  }

  async #toggle() {
    this.#complain("");
    try {
      if (this.#take.isRecording) {
        await this.#take.stop();
        this.#judge();
      } else {
        this.#tell("Waiting for the microphone…");
        await this.#take.start();
        this.#tell("Recording. Speak now.");
        this.#watch();
      }
    } catch (problem) {
      this.#tell(HINT);
      this.#complain(problem.message);
    }
    this.#show();
  }

  async #choose(file) {
    this.#complain("");
    await this.#take.choose(file);
    this.#judge();
    this.#show();
  }

  /** Says how long the recording is and what is wrong with it. */
  #judge() {
    const { sound, recording } = this.#take;
    this.#tell(sound ? `${sound.seconds.toFixed(1)} seconds recorded.` : `${recording.name} is taken as it is.`);
    try {
      this.#take.check(this.#facts);
    } catch (problem) {
      this.#complain(problem.message);
    }
  }

  #listen() {
    if (this.#take.isPlaying) {
      this.#take.silence();
    } else {
      this.#take.play(() => this.#show());
      this.#watch();
    }
    this.#show();
  }

  async #store() {
    this.#complain("");
    const save = byId("save-voice");
    const told = byId("take-status").textContent;
    try {
      if (this.#take.isRecording) {
        await this.#toggle();
      }
      this.#take.check(this.#facts);
      const voice = this.#filledIn();
      save.disabled = true;
      this.#tell("Storing the voice…");
      await addVoice({ ...voice, recording: this.#take.recording });
      this.#dialog.close();
      this.#onStored(voice.name);
    } catch (problem) {
      this.#tell(told);
      this.#complain(problem.message);
    } finally {
      save.disabled = false;
    }
  }

  #filledIn() {
    const [name, said] = [byId("name").value.trim(), byId("said").value.trim()];
    if (!said) {
      throw this.#missing("said", "Write down what is said in the recording; the voice cannot be imitated without.");
    }
    if (!/^[a-z0-9][a-z0-9._-]*$/.test(name)) {
      throw this.#missing("name", "The voice needs a name of small letters, digits, dots and dashes, such as anna-2.");
    }
    if (!byId("consent").checked) {
      throw this.#missing("consent", "Say first that the speaker agrees to this.");
    }
    return { name, said, consent: byId("consent-words").textContent.trim() };
  }

  #missing(id, words) {
    byId(id).focus();
    return new Problem("recording", words);
  }

  /** Draws until nothing is recorded or played any more. */
  #watch() {
    const step = () => {
      if (this.#take.isRecording) {
        this.#take.watch();
        byId("record-label").textContent = `Stop (${clockOf(this.#take.recorded_s)})`;
        if (this.#take.recorded_s >= this.#facts.max_recording_s - 1) {
          this.#toggle();
          return;
        }
      }
      this.#waveform.show(this.#take.sound, this.#take.heard_s, !this.#take.isRecording);
      if (this.#take.isRecording || this.#take.isPlaying) {
        requestAnimationFrame(step);
      }
    };
    step();
  }

  #show() {
    const { isRecording, isPlaying, sound } = this.#take;
    byId("record").dataset.recording = String(isRecording);
    byId("record-label").textContent = isRecording ? "Stop" : this.#take.recording ? "Record again" : "Record";
    byId("listen-take").disabled = isRecording || sound === null;
    byId("listen-take").textContent = isPlaying ? "Stop listening" : "Listen";
    this.#waveform.show(sound, this.#take.heard_s, !isRecording);
  }

  #tell(words) {
    byId("take-status").textContent = words;
  }

  #complain(words) {
    const place = byId("recording-problem");
    place.textContent = words;
    place.scrollIntoView({ block: "nearest" });
  }
}
