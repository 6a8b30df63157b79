// What went wrong, in words for the person before the screen.

export class Problem extends Error {
  /**
   * @param {string} code the gateway's code, or one of the page's own: away, lost, mute, microphone
   * @param {string} message for a person
   */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const WORDS = {
  away: "The gateway does not answer. Once it does, this works again.",
  lost: "The connection broke off. What came until then can be heard and downloaded.",
  mute: "The browser plays no sound: it found no loudspeaker, or may not use it. What came can be downloaded.",
  crowded: "The gateway takes no more listeners at the moment. Try again soon.",
  invalid_api_key: "This token is not known here. Put the right one in at the top of the page.",
  forbidden: "This token does not allow that.",
  not_found: "This voice is not there any more. Choose another one.",
  already_exists: "There is a voice of this name already. Choose another name.",
  rate_limited: "That is more than this token may ask for in a minute. Try again soon.",
  quota_exceeded: "What this token may have spoken in a day is used up.",
  busy: "The speech server has its hands full. Try again in a moment.",
  unreachable: "No speech server answers at the moment. Once one does, this works again.",
  timeout: "The speech server took too long. Try again in a moment.",
  broken_stream: "The speech server broke off. What came until then can be heard and downloaded.",
  cut: "The text is too long to be said in one piece; its end was not said.",
  request_timeout: "The upload took too long. Try again.",
  too_large: "That is too large to be sent.",
};

/** Words for a code of the gateway; what the person can mend, its own message says better. */
export function problemOf(code, message) {
  if (code === "invalid_request") {
    return new Problem(code, `That is refused. ${message}`);
  }
  if (code === "internal") {
    return new Problem(code, `Something went wrong on the server: ${message}`);
  }
  return new Problem(code, WORDS[code] ?? message);
}

const MICROPHONE = {
  NotAllowedError: "The browser may not use the microphone. Allow it beside the address, or choose a file.",
  NotFoundError: "There is no microphone. Plug one in, or choose a file.",
  NotReadableError: "Another program holds the microphone. Close it there, or choose a file.",
};

/** Words for what getUserMedia throws. */
export function microphoneProblem(error) {
  const words = MICROPHONE[error.name] ?? `The microphone does not work (${error.message}). A file can be chosen instead.`;
  return new Problem("microphone", words);
}
