// The study in the browser: draws the order, shows comparisons, keeps answers until they are saved.
const FORMAT = "spfem user study answers 1";
const STORE = "spfem-study-" + STUDY.study;
const SECONDS_A_TRIAL = 25;
const LARGEST_LAG_SECONDS = 0.06;
const $ = (id) => document.getElementById(id);
let state = null;
let shownAt = 0;
let started = false;

// A small generator with a seed (mulberry32), so that a participant's order can be drawn again.
function generator(text) {
  let seed = 0;
  for (const letter of text) seed = (Math.imul(seed, 31) + letter.charCodeAt(0)) | 0;
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function shuffled(items, random) {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other], result[last]];
  }
  return result;
}

// Comparisons of one participant: the pairs of methods in turn, the fixed ones among them, then
// some again with sides swapped.
function drawOrder(participant) {
  const random = generator(participant);
  const groups = new Map();
  for (const trial of shuffled(STUDY.trials.filter((one) => !one.fixed), random)) {
    groups.set(trial.group, [...(groups.get(trial.group) || []), trial]);
  }
  const turns = shuffled([...groups.values()], random);
  const chosen = [];
  for (let turn = 0; chosen.length < STUDY.perParticipant; turn++) {
    const more = turns.filter((group) => turn < group.length).map((group) => group[turn]);
    if (!more.length) break;
    chosen.push(...more.slice(0, STUDY.perParticipant - chosen.length));
  }
  const side = (trial) => (random() < 0.5 ? trial.videos : [...trial.videos].reverse());
  const show = (trial) => ({ trial: trial.id, repeat: false, sides: side(trial) });
  const first = shuffled(chosen, random).map(show);
  const fixed = STUDY.trials.filter((one) => one.fixed).map(show);
  for (const one of fixed) first.splice(1 + Math.floor(random() * first.length), 0, one);
  const fixedIds = new Set(fixed.map((one) => one.trial));
  const again = shuffled(first.filter((one) => !fixedIds.has(one.trial)), random)
    .slice(0, STUDY.repeats)
    .map((one) => ({ ...one, repeat: true, sides: [...one.sides].reverse() }));
  return [...first, ...again];
}

function save() {
  try {
    localStorage.setItem(STORE, JSON.stringify(state));
    $("storage").hidden = true;
  } catch {
    $("storage").hidden = false;
  }
}

function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE));
    return kept && kept.study === STUDY.study && Array.isArray(kept.answers) ? kept : null;
  } catch {
    return null;
  }
}

function screen(name) {
  for (const one of ["consent", "trial", "done"]) $(one).hidden = one !== name;
  $("leaving").hidden = name === "consent";
}

function begin() {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  const participant = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const now = new Date().toISOString();
  state = { format: FORMAT, study: STUDY.study, participant, consent: now, finished: "", answers: [] };
  state.order = drawOrder(participant);
  save();
  advance();
}

function advance() {
  if (state.answers.length >= state.order.length) {
    if (!state.finished) state.finished = new Date().toISOString();
    save();
    for (const id of ["left", "right"]) $(id).removeAttribute("src");
    $("number").textContent = state.participant;
    screen("done");
    $("done").querySelector("h1").focus();
    return;
  }
  const place = state.order[state.answers.length];
  const trial = STUDY.trials.find((one) => one.id === place.trial);
  screen("trial");
  $("count").textContent = `Comparison ${state.answers.length + 1} of ${state.order.length}`;
  $("progress").max = state.order.length;
  $("progress").value = state.answers.length;
  $("broken").hidden = true;
  showGiven(trial);
  $("left").src = `videos/${place.sides[0]}.mp4`;
  $("right").src = `videos/${place.sides[1]}.mp4`;
  showQuestions(trial);
  shownAt = Date.now();
  started = false;
  update();
  $("task").focus();
}

function showGiven(trial) {
  $("given").replaceChildren();
  for (const [role, words] of [["source", "Original"], ["reference", "Reference for the emotion"]]) {
    if (!trial[role]) continue;
    const figure = document.createElement("figure");
    const video = document.createElement("video");
    Object.assign(video, { src: `videos/${trial[role]}.mp4`, loop: true, muted: true, playsInline: true });
    video.setAttribute("aria-label", words);
    const caption = document.createElement("figcaption");
    caption.textContent = words;
    figure.append(video, caption);
    $("given").append(figure);
  }
}

function showQuestions(trial) {
  $("questions").replaceChildren();
  for (const question of STUDY.questions) {
    const set = document.createElement("fieldset");
    set.dataset.question = question.id;
    const legend = document.createElement("legend");
    legend.textContent = question.text.replace("{emotion}", trial.emotion);
    set.append(legend);
    for (const [value, words] of [["left", "Left"], ["right", "Right"]]) {
      const label = document.createElement("label");
      const input = document.createElement("input");
      Object.assign(input, { type: "radio", name: question.id, value });
      label.append(input, words);
      set.append(label);
    }
    $("questions").append(set);
  }
}

function choices() {
  return Object.fromEntries(new FormData($("questions")));
}

function update() {
  const made = choices();
  const open = STUDY.questions.find((question) => !made[question.id]);
  for (const set of $("questions").children) {
    set.classList.toggle("current", Boolean(open) && set.dataset.question === open.id);
  }
  $("next").disabled = Boolean(open) || !started;
  $("hint").hidden = !$("next").disabled;
}

const videos = () => [...document.querySelectorAll("#trial video")];

function playAll() {
  for (const video of videos()) {
    video.currentTime = 0;
    video.play().catch(() => {});
  }
  started = true;
  update();
}

// Players start and loop on their own; mouths are compared moment by moment, so the others follow
// the left one, which has the sound.
function align() {
  for (const video of videos()) {
    const apart = Math.abs(video.currentTime - $("left").currentTime);
    if (apart > LARGEST_LAG_SECONDS) video.currentTime = $("left").currentTime;
  }
}

function record(made) {
  const place = state.order[state.answers.length];
  const [left, right] = place.sides;
  const seconds = Math.round((Date.now() - shownAt) / 100) / 10;
  const { trial, repeat } = place;
  state.answers.push({ trial, repeat, left, right, choices: made, seconds });
  save();
  advance();
}

function keys(event) {
  if ($("trial").hidden || event.ctrlKey || event.altKey || event.metaKey) return;
  const on = event.target.tagName;
  if (event.key === " " && on !== "BUTTON" && on !== "INPUT") {
    playAll();
  } else if (event.key === "Enter" && on !== "BUTTON") {
    if (!$("next").disabled) record(choices());
  } else if (["ArrowLeft", "ArrowRight"].includes(event.key) && on !== "INPUT") {
    const current = document.querySelector("fieldset.current");
    const value = event.key === "ArrowLeft" ? "left" : "right";
    if (current) current.querySelector(`input[value=${value}]`).checked = true;
    update();
  } else {
    return;
  }
  event.preventDefault();
}

function saveAnswers() {
  const { order, ...answers } = state;
  const text = JSON.stringify(answers, null, 1) + "\n";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `answers-${STUDY.study}-${state.participant}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

$("agree").addEventListener("change", () => { $("start").disabled = !$("agree").checked; });
$("start").addEventListener("click", begin);
$("play").addEventListener("click", playAll);
$("next").addEventListener("click", () => record(choices()));
$("left").addEventListener("timeupdate", align);
$("skip").addEventListener("click", () => record({}));
$("questions").addEventListener("change", update);
$("questions").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["left", "right"]) $(id).addEventListener("error", () => { $("broken").hidden = !$(id).src; });
document.addEventListener("keydown", keys);
$("json").addEventListener("click", saveAnswers);
$("delete").addEventListener("click", () => {
  if (!confirm("Delete all your answers?")) return;
  try { localStorage.removeItem(STORE); } catch { /* nothing was kept */ }
  location.reload();
});

const probable = Math.min(STUDY.perParticipant, STUDY.trials.length) + STUDY.repeats;
$("minutes").textContent = Math.max(1, Math.round((probable * SECONDS_A_TRIAL) / 60));
state = load();
if (state) advance();
else screen("consent");
