// Puts the page together.

import { askFacts } from "./api.js";
import { byId } from "./elements.js";
import { HealthView } from "./health_view.js";
import { JobsView } from "./jobs_view.js";
import { ListenView } from "./listen_view.js";
import { RecordingView } from "./recording_view.js";
import { token } from "./token.js";
import { VoicesView } from "./voices_view.js";

const NOT_WELL = ["away", "lost", "unreachable", "broken_stream", "crowded"];

let facts = null;

function tellProblem(problem) {
  byId("problem").textContent = problem?.message ?? "";
  if (NOT_WELL.includes(problem?.code)) {
    health.look();
  }
  if (problem?.code === "invalid_api_key") {
    byId("token-form").hidden = false;
  }
}

/** The server is there: what it allows, and its voices. */
async function begin() {
  tellProblem(null);
  try {
    facts = await askFacts();
  } catch (problem) {
    tellProblem(problem);
    return;
  }
  listening.allow(facts.max_text_characters);
  jobs.allow(facts.keeps_jobs);
  byId("record-voice").disabled = false;
  byId("token-form").hidden = !facts.needs_token;
  if (facts.needs_token && !token.value) {
    byId("token").focus();
    return;
  }
  await voices.load();
}

const voices = new VoicesView(tellProblem);
const listening = new ListenView(voices, tellProblem);
const jobs = new JobsView(tellProblem);
const recording = new RecordingView((name) => voices.load(name));
const health = new HealthView(begin);

byId("record-voice").onclick = () => {
  listening.stop();
  recording.open(facts);
};

byId("make-job").onclick = () => {
  const text = listening.textToSay();
  if (text !== null) {
    jobs.make(text, voices.chosen);
  }
};

byId("token-form").onsubmit = (event) => {
  event.preventDefault();
  token.value = byId("token").value.trim();
  begin();
};

document.addEventListener("keydown", (event) => {
  if (byId("recording").open) {
    return; // the dialog has keys of its own
  }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    listening.speak();
  } else if (event.key === "Escape") {
    listening.stop();
  }
});

health.look();
