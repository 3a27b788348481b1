// The gaze pad: a finger, the mouse or the arrow keys move a dot, a double click or Home
// centres it; two sliders follow, and the dot follows them.
(() => {
  const REACH = 30;  // degrees to each side, as the sliders have it
  const field = (name) => document.querySelector(`#${name} input[type=number]`);
  const clamp = (value) => Math.max(-REACH, Math.min(REACH, Math.round(value)));

  function set(name, value) {
    const input = field(name);
    if (!input || Number(input.value) === value) return;
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function point(pad, event) {
    const box = pad.getBoundingClientRect();
    set(pad.dataset.yaw, clamp(((event.clientX - box.left) / box.width * 2 - 1) * REACH));
    set(pad.dataset.pitch, clamp(((event.clientY - box.top) / box.height * 2 - 1) * REACH));
    draw(pad);
  }

  function draw(pad) {
    const [yaw, pitch] = [pad.dataset.yaw, pad.dataset.pitch].map((name) => Number(field(name)?.value || 0));
    const dot = pad.querySelector("i");
    dot.style.left = `${(yaw / REACH + 1) * 50}%`;
    dot.style.top = `${(pitch / REACH + 1) * 50}%`;
  }

  function straight(pad) {
    set(pad.dataset.yaw, 0);
    set(pad.dataset.pitch, 0);
    draw(pad);
  }

  addEventListener("dblclick", (event) => {
    const pad = event.target.closest?.(".gaze-pad");
    if (pad) straight(pad);
  });
  addEventListener("pointerdown", (event) => {
    const pad = event.target.closest?.(".gaze-pad");
    if (!pad) return;
    pad.setPointerCapture(event.pointerId);
    pad.dataset.held = "1";
    point(pad, event);
  });
  addEventListener("pointermove", (event) => {
    const pad = event.target.closest?.(".gaze-pad[data-held]");
    if (pad) point(pad, event);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    addEventListener(name, () => document.querySelectorAll(".gaze-pad[data-held]").forEach((pad) => delete pad.dataset.held));
  }
  // The framework gives every choice of a radio group a name of its own: arrow keys would not move between them.
  addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    const group = event.target.matches?.("input[type=radio]") && event.target.closest("fieldset, [role=radiogroup]");
    if (!way || !group) return;
    event.preventDefault();
    const choices = [...group.querySelectorAll("input[type=radio]:not(:disabled)")];
    const next = choices[(choices.indexOf(event.target) + way + choices.length) % choices.length];
    next.focus();
    next.click();
  });
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  addEventListener("keydown", (event) => {
    const pad = event.target.closest?.(".gaze-pad");
    if (!pad || !(event.key in STEPS || event.key === "Home")) return;
    event.preventDefault();
    if (event.key === "Home") return straight(pad);
    const [across, down] = STEPS[event.key];
    set(pad.dataset.yaw, clamp(Number(field(pad.dataset.yaw)?.value || 0) + 2 * across));
    set(pad.dataset.pitch, clamp(Number(field(pad.dataset.pitch)?.value || 0) + 2 * down));
    draw(pad);
  });
  setInterval(() => document.querySelectorAll(".gaze-pad").forEach((pad) => pad.offsetParent && draw(pad)), 250);
})();
