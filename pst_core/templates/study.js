
"use strict";
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const pairs = new Map(study.pairs.map((pair) => [pair.id, pair]));
  const at = (id) => document.getElementById(id);
  const PLACE = `pst-study-${study.build}`;
  const LEAST = 280; // width of a picture in CSS pixels below which the page rather scrolls
  const screens = ["intro", "ask", "done"].map(at);

  // --- chance

  const uniformBelow = (bound) => {
    const limit = 2 ** 32 - (2 ** 32 % bound); // above it the remainder would favour small numbers
    const word = new Uint32Array(1);
    do crypto.getRandomValues(word);
    while (word[0] >= limit);
    return word[0] % bound;
  };

  const shuffled = (items) => {
    const order = [...items];
    for (let last = order.length - 1; last > 0; last -= 1) {
      const other = uniformBelow(last + 1);
      [order[last], order[other]] = [order[other], order[last]];
    }
    return order;
  };

  const newRespondent = () =>
    [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  // --- what is known of the respondent: `turn` is -1 before the first pair, and their number after the last

  const fresh = () => ({
    respondent: newRespondent(),
    turn: -1,
    answers: shuffled(study.pairs).map((pair) => ({
      pair: pair.id,
      shown: shuffled(pair.options.map((option) => option.id)),
      choice: null,
      seconds: 0,
    })),
  });

  const sameSet = (one, other) => one.length === other.length && new Set([...one, ...other]).size === one.length;

  const fits = (saved) =>
    /^[0-9a-f]{16}$/.test(saved.respondent) &&
    Number.isInteger(saved.turn) && saved.turn >= -1 && saved.turn <= study.pairs.length &&
    sameSet(saved.answers.map((answer) => answer.pair), [...pairs.keys()]) &&
    saved.answers.every((answer, turn) =>
      sameSet(answer.shown, pairs.get(answer.pair).options.map((option) => option.id)) &&
      (answer.shown.includes(answer.choice) || (answer.choice === null && turn >= saved.turn)) &&
      Number.isFinite(answer.seconds) && answer.seconds >= 0);

  // The tab's own storage survives a reload even where the browser has dropped the lasting one.
  const storages = [() => localStorage, () => sessionStorage];

  const restoredFrom = (storage) => {
    try {
      const saved = JSON.parse(storage().getItem(PLACE));
      return saved !== null && fits(saved) ? saved : null;
    } catch {
      return null; // storage is forbidden, or holds what is not ours
    }
  };

  const restored = () => storages.reduce((saved, storage) => saved ?? restoredFrom(storage), null);

  const keepIn = (storage) => {
    try {
      storage().setItem(PLACE, JSON.stringify(state));
      return true;
    } catch {
      return false;
    }
  };

  let kept = true;
  const keep = () => {
    kept = storages.map(keepIn).includes(true);
  };

  let state = restored() ?? fresh();
  let since = null; // when the pair on the screen began to be looked at

  const current = () => state.answers[state.turn];
  const asking = () => current() !== undefined;

  const stopClock = () => {
    if (since !== null && asking()) current().seconds += (performance.now() - since) / 1000;
    since = null;
  };

  const startClock = () => {
    stopClock();
    if (asking() && !document.hidden) since = performance.now();
  };

  // --- asking

  const cards = () => [...at("options").children];
  const picked = () => current().shown.indexOf(current().choice);
  const pictureOf = (option) => pairs.get(current().pair).options.find((each) => each.id === option).picture;

  const card = (option, index) => {
    const made = at("option").content.cloneNode(true).firstElementChild;
    const name = `Picture ${index + 1}`;
    const [image, radio, enlarge] = ["img", "input", ".enlarge"].map((part) => made.querySelector(part));
    const { width, height } = pairs.get(current().pair);
    Object.assign(image, { width, height, src: pictureOf(option) });
    made.querySelector(".name").textContent = `${index + 1}`;
    radio.setAttribute("aria-label", name);
    radio.checked = option === current().choice;
    radio.addEventListener("change", () => choose(index));
    enlarge.setAttribute("aria-label", `Enlarge picture ${index + 1}`);
    enlarge.addEventListener("click", () => open(index));
    return made;
  };

  const show = () => {
    screens.forEach((screen, index) => { screen.hidden = index !== (state.turn < 0 ? 0 : asking() ? 1 : 2); });
    scrollTo(0, 0);
    if (asking()) ask();
    else if (state.turn < 0) at("start").focus();
    else thank();
    startClock();
  };

  const ask = () => {
    const number = state.turn + 1, total = study.pairs.length;
    at("progress").textContent = `${number} of ${total}`;
    at("bar").value = number;
    at("options").replaceChildren(...current().shown.map(card));
    at("keys").textContent =
      `1–${Math.min(current().shown.length, 9)} choose · arrow keys move · Z enlarges · Enter goes on` +
      (number > 1 ? " · Backspace goes back" : "");
    at("back").style.visibility = number > 1 ? "visible" : "hidden";
    at("next").textContent = number < total ? "Next" : "Finish";
    mark();
    fit();
    at("question").focus({ preventScroll: true });
  };

  const mark = () => {
    cards().forEach((each, index) => { each.querySelector("input").checked = index === picked(); });
    at("next").setAttribute("aria-disabled", `${picked() < 0}`);
    at("status").textContent = "";
  };

  const choose = (index) => {
    const option = current().shown[index];
    if (option === undefined) return;
    current().choice = option;
    mark();
    keep();
  };

  const focusOn = (index) => {
    cards()[index].querySelector("input").focus({ preventScroll: true });
    cards()[index].scrollIntoView({ block: "nearest" });
  };

  const move = (key) => {
    const last = current().shown.length - 1, from = picked();
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
    const to = from + step;
    if (from < 0) choose(step > 0 ? 0 : last);
    else if (to >= 0 && to <= last) choose(to);
    focusOn(picked());
  };

  const turnTo = (turn) => {
    stopClock();
    state.turn = turn;
    keep();
    show();
  };

  const goOn = () => {
    if (picked() < 0) {
      at("status").textContent = "Choose a picture first.";
      return;
    }
    turnTo(state.turn + 1);
    if (!asking()) save();
  };

  const goBack = () => {
    if (state.turn > 0) turnTo(state.turn - 1);
  };

  // --- as large as the window allows with all of them in view; on small windows one scrolls

  let columns = 1;
  const fit = () => {
    if (!asking()) return;
    const { width, height } = pairs.get(current().pair), count = current().shown.length;
    const box = at("options"), look = getComputedStyle(box), px = (text) => Number.parseFloat(text) || 0;
    box.style.maxWidth = ""; // the pair before may have needed less
    const gap = px(look.columnGap), strip = px(getComputedStyle(box.querySelector(".mark")).height);
    const wide = box.clientWidth - px(look.paddingLeft) - px(look.paddingRight);
    const high = innerHeight - at("ask").querySelector("header").offsetHeight - px(look.paddingTop) -
      px(look.paddingBottom) - at("ask").querySelector("footer").offsetHeight;
    const across = (number) => (wide - gap * (number - 1)) / number;
    const down = (rows) => ((high - gap * (rows - 1)) / rows - strip) * (width / height);
    let best = 0;
    for (let number = 1; number <= count; number += 1) {
      const fitting = Math.min(across(number), down(Math.ceil(count / number)));
      if (fitting > best) [best, columns] = [fitting, number];
    }
    if (best < Math.min(LEAST, wide)) {
      columns = Math.max(1, Math.min(count, Math.floor((wide + gap) / (LEAST + gap))));
      best = Math.min(across(columns), Math.max(down(1), Math.min(LEAST, wide)));
    }
    best = Math.floor(Math.min(best, width));
    box.style.setProperty("--width", `${best}px`);
    box.style.maxWidth = `${columns * best + gap * (columns - 1) + px(look.paddingLeft) + px(look.paddingRight) + 1}px`;
  };

  // --- one picture large

  let enlarged = 0;
  const large = at("large"), stage = at("stage");

  const display = (index) => {
    const total = current().shown.length;
    enlarged = (index + total) % total;
    at("picture").src = pictureOf(current().shown[enlarged]);
    at("picture").alt = `Picture ${enlarged + 1}`;
    at("caption").textContent = `Picture ${enlarged + 1} of ${total}`;
    const chosen = enlarged === picked();
    at("take").textContent = chosen ? "Chosen" : "Choose this one";
  };

  const open = (index) => {
    stage.classList.remove("full");
    display(index);
    large.showModal();
    at("take").focus();
  };

  const take = () => {
    choose(enlarged);
    large.close();
  };

  const magnify = (event) => {
    const picture = at("picture"), box = picture.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
    stage.classList.toggle("full");
    stage.scrollTo(x * picture.offsetWidth - stage.clientWidth / 2, y * picture.offsetHeight - stage.clientHeight / 2);
  };

  let swipe = null;
  const beginSwipe = (event) => {
    const still = event.touches.length === 1 && !stage.classList.contains("full") && (visualViewport?.scale ?? 1) < 1.05;
    swipe = still ? event.touches[0] : null;
  };
  const endSwipe = (event) => {
    if (swipe === null) return;
    const across = event.changedTouches[0].clientX - swipe.clientX, down = event.changedTouches[0].clientY - swipe.clientY;
    if (Math.abs(across) > 50 && Math.abs(across) > 2 * Math.abs(down)) display(enlarged - Math.sign(across));
    swipe = null;
  };

  // --- the end

  const fileName = () => `answers-${study.build}-${state.respondent}.json`;

  const record = () => {
    const answers = state.answers.map((answer) => ({ ...answer, seconds: Math.round(answer.seconds * 10) / 10 }));
    const { respondent } = state;
    return `${JSON.stringify({ format: "pst-study-answers-1", build: study.build, respondent, answers }, null, 1)}\n`;
  };

  const thank = () => {
    at("file").textContent = fileName();
    at("record").value = record();
    at("told").textContent = "";
    at("thanks").focus({ preventScroll: true });
  };

  const save = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([record()], { type: "application/json" }));
    link.download = fileName();
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(record());
      at("told").textContent = "Copied.";
    } catch { // only pages from a secure server may use the clipboard
      at("record").focus();
      at("record").select();
      at("told").textContent = document.execCommand("copy") ? "Copied." : "The text is marked: copy it now.";
    }
  };

  const startOver = () => {
    state = fresh();
    keep();
    show();
  };

  // --- keys, fingers and the window

  const inDialog = (event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (step !== undefined && stage.classList.contains("full")) return false; // they scroll
    if (step !== undefined) display(enlarged + step);
    else if (/^[1-9]$/.test(event.key) && Number(event.key) <= current().shown.length) display(Number(event.key) - 1);
    else if (event.key.toLowerCase() === "z") large.close();
    else return false;
    return true;
  };

  const inQuestion = (event) => {
    const onButton = event.target instanceof Element && event.target.closest("button") !== null;
    if (/^[1-9]$/.test(event.key) && Number(event.key) <= current().shown.length) {
      choose(Number(event.key) - 1);
      focusOn(picked());
    } else if (event.key.startsWith("Arrow")) move(event.key);
    else if (event.key === "Enter" && !onButton) goOn();
    else if (event.key === "Backspace") goBack();
    else if (event.key.toLowerCase() === "z") open(Math.max(picked(), 0));
    else return false;
    return true;
  };

  document.addEventListener("keydown", (event) => {
    if (!asking() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.repeat && !event.key.startsWith("Arrow")) return;
    if (large.open ? inDialog(event) : inQuestion(event)) event.preventDefault();
  });

  const clicks = {
    start: () => turnTo(0), next: goOn, back: goBack, save, copy, again: startOver, take, close: () => large.close(),
    previous: () => display(enlarged - 1), following: () => display(enlarged + 1), picture: magnify,
  };
  Object.entries(clicks).forEach(([id, act]) => at(id).addEventListener("click", act));
  large.addEventListener("close", () => focusOn(enlarged));
  stage.addEventListener("touchstart", beginSwipe, { passive: true });
  stage.addEventListener("touchend", endSwipe, { passive: true });
  addEventListener("resize", fit);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      stopClock();
      keep();
    } else startClock();
  });
  addEventListener("pagehide", () => {
    stopClock();
    keep();
  });
  addEventListener("beforeunload", (event) => {
    if (!kept && asking()) event.preventDefault(); // a reload would lose the answers
  });

  show();
})();
