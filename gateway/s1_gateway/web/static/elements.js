// Small helps of the views.

/** @returns {any} the element, which is in the page */
export function byId(id) {
  return document.getElementById(id);
}

/** Seconds as 1:05. */
export function clockOf(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
