// The upload goes to a route of ours, which gives a token; the token is what Gradio sees of the file.
const most = parseInt(props.most_bytes), busy = () => element.classList.contains("sending");
const say = text => { const said = element.querySelector("#said"); if (said) said.textContent = text; };
async function send(file) {
  if (busy() || !file) return;
  if (file.size > most) { say(`${file.name}: larger than ${(most / 2 ** 20)} MB, the limit here`); return; }
  element.classList.add("sending");
  say(`${file.name}: sending …`);
  try {
    const reply = await fetch("upload?name=" + encodeURIComponent(file.name), { method: "POST", body: file });
    if (!reply.ok) { say(await reply.text()); return; }
    props.value = (await reply.json()).token;
    say(`${file.name}: sent`);
    trigger("submit");
  } catch (error) {
    say(`${file.name}: could not be sent; try again`);
  } finally {
    element.classList.remove("sending");
    const input = element.querySelector("#file"); if (input) input.value = "";
  }
}
element.addEventListener("change", event => { if (event.target.files) send(event.target.files[0]); });
for (const name of ["dragover", "dragenter"])
  element.addEventListener(name, event => { event.preventDefault(); element.classList.add("over"); });
element.addEventListener("dragleave", () => element.classList.remove("over"));
element.addEventListener("drop", event => {
  event.preventDefault();
  element.classList.remove("over");
  send(event.dataTransfer.files[0]);
});
