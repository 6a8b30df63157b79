// Requests to the gateway. Every failure is a Problem.

import { Problem, problemOf } from "./problems.js";
import { token } from "./token.js";

/** Address of a path, wherever the page lies; a proxy may have put it into a folder. */
export function addressOf(path) {
  return new URL(path, document.baseURI);
}

async function ask(path, options) {
  return (await send(path, options)).json();
}

async function send(path, options = {}) {
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
  return answer;
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

/**
 * Makes an MP3 of what was heard.
 * @param {ArrayBuffer} samples mono, 16 bits, at the engine's rate
 * @returns {Promise<Blob>}
 */
export async function makeMp3(samples) {
  return (await send("page.mp3", { method: "POST", body: samples })).blob();
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

/**
 * Makes a text a job: {job_id, estimated_seconds}.
 * @param {{text: string, voice: string}} order
 */
export function makeJob({ text, voice }) {
  const body = JSON.stringify({ text, voice_id: voice, response_format: "mp3" });
  return ask("v1/audio/speech/async", { method: "POST", headers: { "content-type": "application/json" }, body });
}

/** How far a job is: {status, progress, duration_seconds, error}. */
export function showJob(id) {
  return ask(`v1/jobs/${id}`);
}

export function cancelJob(id) {
  return ask(`v1/jobs/${id}`, { method: "DELETE" });
}

/** A completed job's sound. @returns {Promise<Blob>} */
export async function fetchSound(id) {
  return (await send(`v1/jobs/${id}/content`)).blob();
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
