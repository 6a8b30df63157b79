// Texts that are spoken later: how far each is, and its sound once it is there.

import { cancelJob, fetchSound, makeJob, showJob } from "./api.js";
import { byId, clockOf } from "./elements.js";

const FIRST_LOOK_MS = 400;
const LONGEST_LOOK_MS = 3000;
const SHOWN_CHARACTERS = 120;
const WORDS = {
  queued: "Waiting",
  in_progress: "Speaking",
  completed: "Ready",
  failed: "Failed",
  cancelled: "Cancelled",
};

export class JobsView {
  #list = byId("job-list");
  #onProblem;

  /** @param {(problem: Error | null) => void} onProblem null: there is none any more */
  constructor(onProblem) {
    this.#onProblem = onProblem;
  }

  /** @param {boolean} areKept whether this gateway keeps jobs */
  allow(areKept) {
    byId("make-job").hidden = !areKept;
  }

  /** @param {string} text what to say @param {string} voice */
  async make(text, voice) {
    this.#onProblem(null);
    byId("make-job").disabled = true; // two clicks are one job
    try {
      const job = await makeJob({ text, voice });
      byId("jobs").hidden = false;
      const row = new JobRow(job.job_id, text);
      this.#list.prepend(row.element);
      row.look(FIRST_LOOK_MS);
    } catch (problem) {
      this.#onProblem(problem);
    } finally {
      byId("make-job").disabled = false;
    }
  }
}

/** One job in the list; looks again by itself until it is over. */
class JobRow {
  #id;
  #state = elementOf("p", "job-state");
  #bar = elementOf("progress", "");
  #cancel = elementOf("button", "quiet");

  constructor(id, text) {
    this.#id = id;
    const words = elementOf("p", "job-text");
    words.textContent = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
    words.dir = "auto";
    this.#state.setAttribute("role", "status");
    this.#state.textContent = WORDS.queued;
    this.#bar.max = 100;
    this.#bar.value = 0;
    this.#bar.setAttribute("aria-label", `Progress of: ${words.textContent}`);
    this.#cancel.type = "button";
    this.#cancel.textContent = "Cancel";
    this.#cancel.setAttribute("aria-label", `Cancel: ${words.textContent}`);
    this.#cancel.onclick = () => this.#end();
    this.element = elementOf("li", "job");
    this.element.append(words, this.#state, this.#bar, this.#cancel);
  }

  /** Looks how far it is, now and, while it goes on, again. */
  async look(pause_ms) {
    try {
      const job = await showJob(this.#id);
      if (await this.#show(job)) {
        return;
      }
    } catch (problem) {
      if (problem.code === "not_found") {
        this.#over("failed", "The gateway does not know this job any more.");
        return;
      }
      this.#tell("queued", problem.message); // the job goes on without us
    }
    setTimeout(() => this.look(Math.min(pause_ms * 1.3, LONGEST_LOOK_MS)), pause_ms);
  }

  /** Shows a job; tells whether it is over. */
  async #show(job) {
    if (job.status === "completed") {
      const sound = await fetchSound(this.#id);
      this.#over("completed", `${WORDS.completed}, ${clockOf(job.duration_seconds)}`);
      this.#offer(URL.createObjectURL(sound));
      return true;
    }
    if (job.status === "failed" || job.status === "cancelled") {
      this.#over(job.status, job.error ? `${WORDS.failed}: ${job.error.message}` : WORDS[job.status]);
      return true;
    }
    this.#tell(job.status, WORDS[job.status]);
    this.#bar.value = job.progress;
    return false;
  }

  async #end() {
    this.#cancel.disabled = true;
    try {
      await cancelJob(this.#id);
    } catch (problem) {
      this.#tell("queued", problem.message);
    }
    this.#cancel.disabled = false;
  }

  #offer(address) {
    const player = document.createElement("audio");
    player.controls = true;
    player.src = address;
    const link = elementOf("a", "button quiet");
    link.href = address;
    link.download = `${this.#id}.mp3`;
    link.textContent = "Download";
    this.element.append(player, link);
  }

  #over(state, words) {
    const hadFocus = document.activeElement === this.#cancel;
    this.#tell(state, words);
    this.#bar.remove();
    this.#cancel.remove();
    if (hadFocus) {
      byId("make-job").focus(); // a button that is gone keeps no focus
    }
  }

  #tell(state, words) {
    this.element.dataset.state = state;
    if (this.#state.textContent !== words) {
      this.#state.textContent = words;
    }
  }
}

function elementOf(name, classes) {
  const element = document.createElement(name);
  element.className = classes;
  return element;
}
