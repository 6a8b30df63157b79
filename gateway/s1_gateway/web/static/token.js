// The token that opens this gateway; the tab forgets it when it is closed.

const KEY = "s1-gateway-token";

export const token = {
  get value() {
    return sessionStorage.getItem(KEY) ?? "";
  },
  set value(value) {
    if (value) {
      sessionStorage.setItem(KEY, value);
    } else {
      sessionStorage.removeItem(KEY);
    }
  },
};
