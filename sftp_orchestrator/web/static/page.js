// Keeps the live parts of the page as the daemon sends them. Without it the page is whole, and loaded anew by hand.
"use strict";

(() => {
  const sign = document.getElementById("live");
  const news = document.getElementById("news");
  const RETRY_MS = 5000;
  let stream = null;
  let timer = 0;

  const tell = (text, isLive) => {
    sign.hidden = false;
    sign.dataset.state = isLive ? "on" : "off";
    if (sign.textContent !== text) sign.textContent = text;
  };

  // An element with an id stays that element wherever it stands: the focus, an open list and a selection outlive news.
  const isAlike = (one, other) =>
    one.nodeType === other.nodeType && one.nodeName === other.nodeName && (one.id || "") === (other.id || "");

  const findAlike = (place, fresh) => {
    for (let node = place; node; node = node.nextSibling) {
      if (isAlike(node, fresh)) return node;
      if (!fresh.id) break;
    }
    return null;
  };

  const alignAttributes = (old, fresh) => {
    for (const { name, value } of [...fresh.attributes]) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
      // Whether a list is open is the reader's.
      if (!fresh.hasAttribute(name) && !(old.nodeName === "DETAILS" && name === "open")) old.removeAttribute(name);
    }
  };

  const align = (old, fresh) => {
    let place = old.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      const found = findAlike(place, wanted);
      if (!found) {
        old.insertBefore(document.importNode(wanted, true), place);
        continue;
      }
      while (place !== found) {
        const gone = place;
        place = place.nextSibling;
        gone.remove();
      }
      if (found.nodeType === Node.ELEMENT_NODE) {
        alignAttributes(found, wanted);
        align(found, wanted);
      } else if (found.nodeValue !== wanted.nodeValue) {
        found.nodeValue = wanted.nodeValue;
      }
      place = found.nextSibling;
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
  };

  const count = () => {
    const tiles = document.querySelector("[data-needs]");
    return tiles ? Number(tiles.dataset.needs) : null;
  };

  const show = (part, html) => {
    const before = count();
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    align(part, fresh.content);
    const after = count();
    if (after === null || after === before) return;
    document.title = document.title.replace(/^(\(\d+\) )?/, after ? `(${after}) ` : "");
    // The one thing that is worth an interruption of whoever listens.
    news.textContent = after > before ? `${after} in need of a person` : "";
  };

  const stop = () => {
    clearTimeout(timer);
    if (stream) stream.close();
    stream = null;
  };

  const watch = () => {
    stop();
    stream = new EventSource(sign.dataset.events);
    stream.onopen = () => tell("Live", true);
    stream.onerror = () => {
      tell("Not live: trying again", false);
      if (stream && stream.readyState === EventSource.CLOSED) timer = setTimeout(watch, RETRY_MS);
    };
    for (const part of document.querySelectorAll("[data-live]")) {
      stream.addEventListener(part.dataset.live, (event) => show(part, event.data));
    }
  };

  // A page that nobody sees asks for nothing.
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : watch()));
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => event.persisted && watch());
  if (!document.hidden) watch();
})();
