// Requests to the gateway. Every failure is a Problem.

import { Problem, problemOf } from "./problems.js";
import { token } from "./token.js";

/** Address of a path, wherever the page lies; a proxy may have put it into a folder. */
export function addressOf(path) {
  return new URL(path, document.baseURI);
}

async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (token.value) {
    headers.set("authorization", `Bearer ${token.value}`);
  }
  let answer;
  try {
    answer = await fetch(addressOf(path), { ...options, headers, credentials: "same-origin" });
  } catch {
    throw problemOf("away");
  }
  if (!answer.ok) {
    throw await refusalIn(answer);
  }
  return answer.json();
}

async function refusalIn(answer) {
  try {
    const { error } = await answer.json();
    return problemOf(error.code, error.message);
  } catch {
    return new Problem("away", `The gateway cannot be reached: something before it answered with ${answer.status}.`);
  }
}

/** What is allowed at this gateway. */
export function askFacts() {
  return ask("page.json");
}

/** All voices: [{id, is_stored}]. */
export async function listVoices() {
  return (await ask("v1/audio/voices")).voices;
}

/**
 * Stores a voice.
 * @param {{name: string, said: string, consent: string, recording: Blob}} voice
 */
export function addVoice({ name, said, consent, recording }) {
  const form = new FormData();
  form.set("name", name);
  form.set("ref_text", said);
  form.set("consent", consent);
  form.set("audio_sample", recording, recording.name ?? "recording");
  return ask("v1/audio/voices", { method: "POST", body: form });
}

/** Removes a stored voice for all who use this server. */
export function removeVoice(name) {
  return ask(`v1/audio/voices/${encodeURIComponent(name)}`, { method: "DELETE" });
}

/** Whether the gateway can serve: "ready", "away", or its own words for why not. */
export async function askHealth() {
  try {
    const answer = await fetch(addressOf("readyz"), { cache: "no-store" });
    return (await answer.json()).gateway;
  } catch {
    return "away";
  }
}

/** Why a WebSocket was refused, which browsers do not say: an empty request comes as far as the same door. */
export async function whyRefused() {
  try {
    await ask("v1/audio/speech", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
  } catch (problem) {
    if (problem.code !== "invalid_request") {
      return problem;
    }
  }
  return problemOf("crowded");
}
