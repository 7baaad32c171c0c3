// Plays a stretch of the sound that the button is about.
document.addEventListener("click", event => {
  const button = event.target.closest("[data-start]");
  if (!button) return;
  const sound = document.getElementById(button.dataset.sound);
  if (!sound) return;
  const stop = parseFloat(button.dataset.stop);
  sound.currentTime = parseFloat(button.dataset.start);
  sound.play().catch(() => {});  // another button may stop it before it begins
  const watch = () => {
    if (sound.currentTime >= stop) sound.pause();
    if (sound.paused) sound.removeEventListener("timeupdate", watch);
  };
  sound.addEventListener("timeupdate", watch);
});

// Keys of the review: 1 to 9 label, 0 skips, Backspace goes back, the space bar plays.
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (event.target.closest("input, textarea, select")) return;
  const panel = document.querySelector(".review");
  if (!panel || panel.offsetParent === null) return;
  if (event.key === " ") {
    const sound = panel.querySelector("audio");
    if (!sound || event.target.closest("button")) return;
    if (sound.paused) sound.play().catch(() => {}); else sound.pause();
  } else {
    const button = panel.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!button) return;
    button.click();
  }
  event.preventDefault();
});
