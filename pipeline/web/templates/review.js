// One act at a time: a second key before the next file is shown would be about a file that nobody has seen.
let asked = null;
function ask(panel, act, label) {
  if (asked === panel.dataset.turn) return;
  asked = panel.dataset.turn;
  trigger("act", { act: act, item: panel.dataset.item, label: label });
}
element.addEventListener("click", event => {
  const button = event.target.closest("[data-act]");
  if (button) ask(element.querySelector(".review"), button.dataset.act, button.dataset.label || "");
});
element.addEventListener("keydown", event => {
  if (event.key === "Enter" && event.target.id === "other" && event.target.value.trim())
    ask(element.querySelector(".review"), "label", event.target.value.trim());
});
