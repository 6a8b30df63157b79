// The choice of a voice, and the removal of a stored one.

import { listVoices, removeVoice } from "./api.js";
import { byId } from "./elements.js";

const OWN_VOICE = "default";

export class VoicesView {
  #select = byId("voice");
  #remove = byId("remove-voice");
  #onProblem;

  /** @param {(problem: Error) => void} onProblem */
  constructor(onProblem) {
    this.#onProblem = onProblem;
    this.#select.onchange = () => this.#showRemove();
    this.#remove.onclick = () => this.#removeChosen();
  }

  get chosen() {
    return this.#select.value || OWN_VOICE;
  }

  /** Asks for the voices anew. @param {string} [wanted] which is to be chosen; else the one that is */
  async load(wanted = this.chosen) {
    let voices;
    try {
      voices = await listVoices();
    } catch (problem) {
      this.#onProblem(problem);
      voices = [];
    }
    const stored = voices.filter((voice) => voice.is_stored).map((voice) => voice.id);
    const others = voices.filter((voice) => !voice.is_stored).map((voice) => voice.id);
    this.#select.replaceChildren(
      ...groupOf("Recorded voices", stored, true),
      ...groupOf("The model's own voices", others.length > 0 ? others : [OWN_VOICE], false),
    );
    this.#select.value = [...stored, ...others].includes(wanted) ? wanted : OWN_VOICE;
    this.#showRemove();
  }

  #showRemove() {
    const option = this.#select.selectedOptions[0];
    this.#remove.hidden = option?.dataset.stored !== "true";
    this.#remove.setAttribute("aria-label", `Remove the voice ${this.chosen}`);
  }

  async #removeChosen() {
    const name = this.chosen;
    if (!confirm(`Remove the voice “${name}” for everybody who uses this server?`)) {
      return;
    }
    try {
      await removeVoice(name);
    } catch (problem) {
      this.#onProblem(problem);
    }
    await this.load();
    this.#select.focus();
  }
}

function groupOf(label, names, isStored) {
  if (names.length === 0) {
    return [];
  }
  const group = document.createElement("optgroup");
  group.label = label;
  for (const name of names) {
    const option = new Option(name === OWN_VOICE ? "default" : name, name);
    option.dataset.stored = String(isStored);
    group.append(option);
  }
  return [group];
}
